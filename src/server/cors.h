// Which web pages may call the server from a browser.
#pragma once

#include "server/request_reader.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trellis::server {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

class Cors {
 public:
  /// Throws UserError where an origin is neither "*" nor like "https://host" or "http://host:port".
  explicit Cors(std::vector<std::string> origins);

  /// What every reply to this request carries. Empty where its page may not read it.
  HeaderList headers(const RequestHead& head) const;
  /// What the reply to a preflight carries beside them.
  HeaderList preflight_headers(const RequestHead& head, const std::string& allowed_methods) const;
  /// Whether the request comes from a page that is neither the server's own nor allowed.
  bool is_foreign_page(const RequestHead& head) const;

 private:
  bool allows(std::string_view origin) const;

  std::vector<std::string> origins_;
  bool allows_all_ = false;
};

}  // namespace trellis::server
