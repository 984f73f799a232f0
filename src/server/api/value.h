// JSON values of a request, read into C++ types: each read says which field is wrong, what would do
// and what was found.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trellis::server {

/// `path` names the field in errors, e.g. "messages[2].content".
ApiError wrong_type(const std::string& path, std::string_view expected, const Json& found);
ApiError invalid_value(const std::string& path, std::string message);
ApiError missing(const std::string& path);
/// A field, or a value of it, that is known and not offered.
ApiError unsupported(const std::string& path, std::string message);

struct NumberRange {
  double minimum = 0.0;
  double maximum = 0.0;
  bool above_minimum = false;  // the minimum itself is excluded
};

Result<double> read_number(const Json& value, const std::string& path, const NumberRange& range);
/// 5.0 is an integer, too. Bounds are inclusive.
Result<int64_t> read_integer(
    const Json& value, const std::string& path, int64_t minimum, int64_t maximum
);
Result<bool> read_bool(const Json& value, const std::string& path);
/// Characters are code points, as JSON Schema counts them.
Result<std::string> read_string(const Json& value, const std::string& path, size_t most_characters);
/// An array of strings.
Result<std::vector<std::string>> read_strings(
    const Json& value, const std::string& path, size_t most_items, size_t most_characters
);
/// An array of token ids.
Result<std::vector<int32_t>> read_ids(const Json& value, const std::string& path);

/// Of valid UTF-8.
size_t num_characters(std::string_view text);

/// "outer.name", or "name" where there is no outer one.
std::string join_path(const std::string& outer, std::string_view name);
/// "outer[3]"
std::string join_path(const std::string& outer, size_t index);

}  // namespace trellis::server
