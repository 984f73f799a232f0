#include "server/router.h"

#include <string_view>
#include <utility>

namespace trellis::server {
namespace {

bool is_wildcard(std::string_view pattern) {
  return pattern.ends_with("/*");
}

bool matches(std::string_view pattern, std::string_view path) {
  if (!is_wildcard(pattern)) return pattern == path;
  const std::string_view prefix = pattern.substr(0, pattern.size() - 1);
  return path.size() > prefix.size() && path.starts_with(prefix);
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {
  for (size_t i = 0; i < routes_.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const bool same =
          routes_[i].method == routes_[k].method && routes_[i].path == routes_[k].path;
      TRELLIS_CHECK(!same, "one route each for " + routes_[i].method + " " + routes_[i].path);
    }
  }
}

const std::string* Router::pattern_of(const std::string& path) const {
  const std::string* best = nullptr;
  for (const Route& route : routes_) {
    if (!matches(route.path, path)) continue;
    if (!is_wildcard(route.path)) return &route.path;
    if (best == nullptr || route.path.size() > best->size()) best = &route.path;
  }
  return best;
}

const Route* Router::find(const std::string& method, const std::string& path) const {
  const std::string* pattern = pattern_of(path);
  if (pattern == nullptr) return nullptr;
  const std::string wanted = method == "HEAD" ? "GET" : method;
  for (const Route& route : routes_) {
    if (route.method == wanted && route.path == *pattern) return &route;
  }
  return nullptr;
}

std::string Router::allowed_methods(const std::string& path) const {
  const std::string* pattern = pattern_of(path);
  if (pattern == nullptr) return "";
  std::string methods;
  for (const Route& route : routes_) {
    if (route.path != *pattern) continue;
    methods += route.method + ", ";
    if (route.method == "GET") methods += "HEAD, ";
  }
  return methods + "OPTIONS";
}

}  // namespace trellis::server
