// The body of a request: parsed, and as it was sent, which alone has the order of an object's keys.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace trellis::server {

struct RequestBody {
  Json json;
  std::string_view text;  // of valid JSON; borrowed from the request
};

/// The text of the value at `path`, which is written as join_path() writes it, e.g.
/// "tools[2].function.parameters"; of a repeated key it is the last value. Empty where there is
/// none. Takes as long as the document is.
std::string_view text_at(std::string_view document, std::string_view path);

}  // namespace trellis::server
