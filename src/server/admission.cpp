#include "server/admission.h"

#include "server/error_reply.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace trellis::server {
namespace {

/// "host" of "host:port" and of "[address]:port".
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

/// Names that no stranger's DNS can give away: addresses, and localhost.
bool is_own_name(std::string_view name) {
  if (name == "localhost" || name.ends_with(".localhost") || name.starts_with('[')) return true;
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '.';
  });
}

Reply refusal(int status, const char* code, std::string message) {
  return error_reply({status, code, std::move(message), ""});
}

}  // namespace

Admission::Admission(
    const ServerOptions& options, bool is_local, bool has_host_names, std::vector<Route> routes
)
    : router_(std::move(routes)),
      authenticator_(options.auth, is_local),
      cors_(options.cors_origins),
      checks_host_(has_host_names && is_local && !options.auth.no_auth),
      own_host_(options.host) {}

std::optional<Reply> Admission::refuse_page(const RequestHead& head) const {
  // Where no key is asked for, any page that somebody on this machine opens could call us, under
  // its own name or under one whose DNS it points here.
  if (!authenticator_.is_open()) return std::nullopt;
  if (cors_.is_foreign_page(head)) {
    return refusal(
        403, "origin_not_allowed",
        fmt::format(
            "pages of {} may not call this server; start it with --cors-origin to allow them",
            head.header("origin")
        )
    );
  }
  const std::string_view name = host_name(head.header("host"));
  if (checks_host_ && !head.header("host").empty() && !is_own_name(name) && name != own_host_) {
    return refusal(
        403, "host_not_allowed",
        fmt::format(
            "without a key this server answers to localhost and to addresses, not to \"{}\"; start "
            "it with --api-key",
            name
        )
    );
  }
  return std::nullopt;
}

Verdict Admission::judge(const RequestHead& head) {
  Verdict verdict;
  const std::string allowed = router_.allowed_methods(head.path);
  if (head.method == "OPTIONS" && (!allowed.empty() || head.path == "*")) {
    verdict.reply.emplace();
    verdict.reply->status = 204;
    verdict.reply->headers = cors_.preflight_headers(head, allowed);
    if (!allowed.empty()) verdict.reply->headers.emplace_back("Allow", allowed);
    return verdict;
  }
  if (allowed.empty()) {
    verdict.reply = refusal(404, "not_found", fmt::format("there is no {} here", head.path));
    return verdict;
  }
  verdict.route = router_.find(head.method, head.path);
  if (verdict.route == nullptr) {
    verdict.reply = refusal(
        405, "method_not_allowed",
        fmt::format("{} takes {}, not {}", head.path, allowed, head.method)
    );
    verdict.reply->headers.emplace_back("Allow", allowed);
    return verdict;
  }
  if (verdict.route->access == Access::kOpen) {
    verdict.caller = authenticator_.identify(head);
    return verdict;
  }
  verdict.reply = refuse_page(head);
  if (verdict.reply) return verdict;
  verdict.caller = authenticator_.identify(head);
  if (verdict.caller.access >= verdict.route->access) return verdict;
  if (verdict.caller.access == Access::kOpen) {
    verdict.reply = refusal(
        401, "invalid_api_key",
        "no valid key came with the request; send one as \"Authorization: Bearer KEY\" or as "
        "\"x-api-key: KEY\""
    );
    verdict.reply->headers.emplace_back("WWW-Authenticate", "Bearer");
  } else {
    verdict.reply =
        refusal(403, "admin_key_needed", fmt::format("{} needs an administrator's key", head.path));
  }
  return verdict;
}

}  // namespace trellis::server
