#include "server/request_target.h"

#include <optional>

namespace trellis::server {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

ApiError malformed(const char* what) {
  return {400, "malformed_request", std::string("the request's ") + what, ""};
}

}  // namespace

Result<RequestTarget> parse_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t slash = target.find_first_of("/?");
    target.remove_prefix(slash == std::string_view::npos ? target.size() : slash);
    if (target.empty()) target = "/";
  }
  RequestTarget parsed;
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  if (!path.starts_with('/') && path != "*") return malformed("target has no path");
  const auto decoded = decode(path, false);
  if (!decoded) return malformed("path holds a wrong %-escape");
  parsed.path = *decoded;

  std::string_view rest = question == std::string_view::npos ? "" : target.substr(question + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const auto key = decode(pair.substr(0, equals), true);
    const auto value =
        decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!key || !value) return malformed("query holds a wrong %-escape");
    parsed.query[*key] = *value;
  }
  return parsed;
}

}  // namespace trellis::server
