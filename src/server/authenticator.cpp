#include "server/authenticator.h"

#include "base/error.h"

#include <openssl/crypto.h>

#include <string_view>

namespace trellis::server {
namespace {

std::string_view bearer_token(std::string_view authorization) {
  static constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

void add_keys(std::vector<ApiKey>& keys, const std::vector<std::string>& added, Access access) {
  for (const std::string& key : added) {
    if (key.empty()) throw UserError("a key is empty; leave the option out, or give it a key");
    keys.push_back({access, hash_key(key), ""});
  }
}

}  // namespace

Authenticator::Authenticator(const AuthOptions& options, bool is_local) {
  add_keys(keys_, options.api_keys, Access::kUser);
  add_keys(keys_, options.admin_keys, Access::kAdmin);
  if (!options.key_file.empty()) key_file_.emplace(options.key_file, options.key_file_check);
  if (options.no_auth) {
    if (!options.api_keys.empty()) {
      throw UserError("--no-auth lets everyone in, --api-key does not; leave one of them out");
    }
    const bool has_admin = !options.admin_keys.empty() || key_file_;
    without_key_ = is_local && !has_admin ? Access::kAdmin : Access::kUser;
    return;
  }
  if (!keys_.empty() || key_file_) return;
  if (!is_local) {
    throw UserError(
        "other machines could reach this address, so it needs a key: give --api-key or --key-file, "
        "or --no-auth to let everyone in"
    );
  }
  without_key_ = Access::kAdmin;
}

Caller Authenticator::identify(const RequestHead& head) {
  Caller caller;
  caller.access = without_key_;
  const auto try_keys = [&caller](std::string_view presented, const std::vector<ApiKey>& keys) {
    const KeyHash hash = hash_key(presented);
    for (const ApiKey& key : keys) {
      const bool same = CRYPTO_memcmp(hash.data(), key.hash.data(), hash.size()) == 0;
      if (same && key.access >= caller.access) caller = {key.access, key.name};
    }
  };
  for (const std::string_view presented :
       {bearer_token(head.header("authorization")), head.header("x-api-key")}) {
    if (presented.empty()) continue;
    try_keys(presented, keys_);
    if (key_file_) try_keys(presented, key_file_->keys());
  }
  return caller;
}

}  // namespace trellis::server
