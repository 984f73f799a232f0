#include "server/cors.h"

#include "base/error.h"

#include <algorithm>

namespace trellis::server {
namespace {

constexpr const char* kAllowedHeaders =
    "authorization, content-type, x-api-key, x-request-id, anthropic-version, anthropic-beta";
constexpr const char* kPreflightSeconds = "600";

std::string_view without_scheme(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool is_origin(std::string_view text) {
  const std::string_view host = without_scheme(text);
  return !host.empty() && host.find_first_of("/*? ,") == std::string_view::npos;
}

}  // namespace

Cors::Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {
  for (const std::string& origin : origins_) {
    if (origin == "*") {
      allows_all_ = true;
    } else if (!is_origin(origin)) {
      throw UserError(
          "--cors-origin: expected * or an origin such as https://chat.example.org, found \"{}\"",
          origin
      );
    }
  }
}

bool Cors::allows(std::string_view origin) const {
  return allows_all_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

HeaderList Cors::headers(const RequestHead& head) const {
  if (origins_.empty()) return {};
  if (allows_all_) {
    return {
        {"Access-Control-Allow-Origin", "*"}, {"Access-Control-Expose-Headers", "x-request-id"}
    };
  }
  const std::string_view origin = head.header("origin");
  HeaderList headers = {{"Vary", "Origin"}};  // a cache must not give one page's reply to another
  if (!origin.empty() && allows(origin)) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
    headers.emplace_back("Access-Control-Expose-Headers", "x-request-id");
  }
  return headers;
}

HeaderList Cors::preflight_headers(const RequestHead& head, const std::string& allowed_methods)
    const {
  const std::string_view origin = head.header("origin");
  if (origin.empty() || !allows(origin)) return {};
  // Clients send headers of their own (x-stainless-...), so what a page asks for is allowed: a
  // header means nothing here that its page could not say in the body.
  const std::string_view asked = head.header("access-control-request-headers");
  return {
      {"Access-Control-Allow-Methods", allowed_methods},
      {"Access-Control-Allow-Headers", asked.empty() ? kAllowedHeaders : std::string(asked)},
      {"Access-Control-Max-Age", kPreflightSeconds}
  };
}

bool Cors::is_foreign_page(const RequestHead& head) const {
  const std::string_view origin = head.header("origin");
  if (origin.empty() || allows(origin)) return false;
  return without_scheme(origin) != head.header("host");
}

}  // namespace trellis::server
