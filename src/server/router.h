// Which route a method and a path lead to.
#pragma once

#include "base/result.h"
#include "server/reply.h"

#include <string>
#include <vector>

namespace trellis::server {

class Router {
 public:
  /// Throws InternalError where two routes are the same.
  explicit Router(std::vector<Route> routes);

  /// The route. An exact path wins over "/*", a longer prefix over a shorter one; HEAD finds the
  /// route of GET. Null where there is none.
  const Route* find(const std::string& method, const std::string& path) const;
  /// What `path` can be asked for, e.g. "GET, HEAD, OPTIONS"; empty where there is no such path.
  std::string allowed_methods(const std::string& path) const;

 private:
  /// The pattern of the routes that a path leads to, or null.
  const std::string* pattern_of(const std::string& path) const;

  std::vector<Route> routes_;
};

}  // namespace trellis::server
