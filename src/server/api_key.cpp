#include "server/api_key.h"

#include "base/error.h"
#include "base/log.h"

#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace trellis::server {
namespace {

constexpr const char* kHashPrefix = "sha256:";
constexpr int64_t kMostKeyFileBytes = 1 << 20;

std::optional<KeyHash> parse_hash(std::string_view text) {
  KeyHash hash{};
  if (!text.starts_with(kHashPrefix)) return std::nullopt;
  text.remove_prefix(std::string_view(kHashPrefix).size());
  if (text.size() != 2 * hash.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return std::nullopt;
    }
    hash[i / 2] = static_cast<uint8_t>(hash[i / 2] << 4 | digit);
  }
  return hash;
}

}  // namespace

KeyHash hash_key(std::string_view key) {
  KeyHash hash{};
  const int done = EVP_Digest(key.data(), key.size(), hash.data(), nullptr, EVP_sha256(), nullptr);
  TRELLIS_CHECK_EQ(done, 1, "SHA-256 of OpenSSL");
  return hash;
}

std::string key_file_line(const ApiKey& key) {
  std::string line = key.access == Access::kAdmin ? "admin " : "user ";
  line += kHashPrefix;
  line += fmt::format("{:02x}", fmt::join(key.hash, ""));
  if (!key.name.empty()) line += " " + key.name;
  return line;
}

std::vector<ApiKey> parse_key_file(std::string_view text, const std::string& file) {
  std::vector<ApiKey> keys;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string access;
    std::string hash;
    std::string name;
    if (!(words >> access) || access.starts_with('#')) continue;
    words >> hash >> name;
    ApiKey key;
    const std::optional<KeyHash> parsed = parse_hash(hash);
    if ((access != "user" && access != "admin") || !parsed || words >> access) {
      throw UserError(
          "{}:{}: expected \"user|admin sha256:HEX [name]\"; \"trellis serve --hash-key\" makes "
          "such lines",
          file, number
      );
    }
    key.access = access == "admin" ? Access::kAdmin : Access::kUser;
    key.hash = *parsed;
    key.name = name;
    keys.push_back(std::move(key));
  }
  return keys;
}

KeyFile::KeyFile(std::string path, std::chrono::milliseconds check_every)
    : path_(std::move(path)), check_every_(check_every) {
  load();
}

std::optional<KeyFile::Version> KeyFile::version() const {
  struct stat status{};
  if (stat(path_.c_str(), &status) != 0) return std::nullopt;
  return Version{
      int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_ino,
      status.st_size
  };
}

void KeyFile::load() {
  next_check_ = std::chrono::steady_clock::now() + check_every_;
  loaded_ = version();
  if (!loaded_) throw UserError("{}: the key file cannot be read", path_);
  if (loaded_->bytes > kMostKeyFileBytes) {
    throw UserError("{}: a key file has at most {} bytes", path_, kMostKeyFileBytes);
  }
  std::ifstream file(path_, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw UserError("{}: the key file cannot be read", path_);
  keys_ = parse_key_file(text.str(), path_);
}

const std::vector<ApiKey>& KeyFile::keys() {
  if (std::chrono::steady_clock::now() < next_check_) return keys_;
  next_check_ = std::chrono::steady_clock::now() + check_every_;
  if (version() == loaded_) return keys_;
  try {
    load();
    log_info("key_file={} reloaded keys={}", path_, keys_.size());
  } catch (const UserError& error) {
    log_warn("the keys of before stay: {}", error.what());
  }
  return keys_;
}

}  // namespace trellis::server
