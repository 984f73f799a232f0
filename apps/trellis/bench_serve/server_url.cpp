#include "apps/trellis/bench_serve/server_url.h"

#include "base/error.h"

#include <algorithm>
#include <regex>

namespace trellis {

std::string ServerUrl::authority() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}:{}", is_ipv6 ? "[" + host + "]" : host, port);
}

ServerUrl parse_server_url(const std::string& text) {
  if (text.starts_with("https://")) {
    throw UserError(
        "{}: bench-serve speaks plain HTTP only; name the server behind the proxy, or start one "
        "without TLS for the measurement",
        text
    );
  }
  static const std::regex kUrl(
      R"(http://(?:\[([0-9A-Fa-f:.]+)\]|([^\s/:?#\[\]@]+))(?::([0-9]{1,5}))?(/[^\s?#]*)?)"
  );
  std::smatch parts;
  if (text.size() > 2000 || !std::regex_match(text, parts, kUrl)) {
    throw UserError(
        "expected the URL of a server such as http://127.0.0.1:8080, found \"{}\"", text
    );
  }
  ServerUrl url;
  url.host = parts[1].matched ? parts[1].str() : parts[2].str();
  if (parts[3].matched) url.port = parts[3].str();
  url.prefix = parts[4].str();
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  return url;
}

}  // namespace trellis
