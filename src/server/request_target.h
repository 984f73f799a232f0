// The second word of a request line, taken apart: path and query, decoded.
#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace trellis::server {

struct RequestTarget {
  std::string path;  // "/v1/models", or "*" of OPTIONS
  std::map<std::string, std::string> query;
};

/// Takes "/path?query" and "http://host/path?query". Of a repeated key the last value counts; in
/// the query, "+" is a space. A half or wrong %-escape and a NUL are an ApiError.
Result<RequestTarget> parse_target(std::string_view target);

}  // namespace trellis::server
