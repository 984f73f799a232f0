#include "server/api/value.h"

#include <algorithm>
#include <cmath>

namespace trellis::server {
namespace {

constexpr size_t kMostShown = 60;

/// The value as JSON, cut where it is long.
std::string shown(const Json& value) {
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kMostShown) return text;
  size_t end = kMostShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

ApiError wrong_type(const std::string& path, std::string_view expected, const Json& found) {
  return {
      400, "invalid_type", fmt::format("{} must be {}, found {}", path, expected, shown(found)),
      path
  };
}

ApiError invalid_value(const std::string& path, std::string message) {
  return {400, "invalid_value", std::move(message), path};
}

ApiError missing(const std::string& path) {
  return {400, "missing_required_parameter", fmt::format("{} is missing", path), path};
}

ApiError unsupported(const std::string& path, std::string message) {
  return {400, "unsupported", std::move(message), path};
}

Result<double> read_number(const Json& value, const std::string& path, const NumberRange& range) {
  if (!value.is_number()) return wrong_type(path, "a number", value);
  const auto number = value.get<double>();
  const bool high_enough = range.above_minimum ? number > range.minimum : number >= range.minimum;
  if (!high_enough || !(number <= range.maximum)) {
    return invalid_value(
        path,
        fmt::format(
            "{} must be {} {} and at most {}, found {}", path,
            range.above_minimum ? "above" : "at least", range.minimum, range.maximum, shown(value)
        )
    );
  }
  return number;
}

Result<int64_t> read_integer(
    const Json& value, const std::string& path, int64_t minimum, int64_t maximum
) {
  const bool whole = value.is_number_integer() ||
                     (value.is_number_float() && std::trunc(value.get<double>()) == value);
  if (!whole) return wrong_type(path, "an integer", value);
  // Doubles from 2^63 on have no int64_t; unsigned values above it have none either.
  const bool huge = value.is_number_float()
                        ? std::abs(value.get<double>()) >= 0x1p63
                        : value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
  if (huge || value.get<int64_t>() < minimum || value.get<int64_t>() > maximum) {
    return invalid_value(
        path,
        fmt::format("{} must be from {} to {}, found {}", path, minimum, maximum, shown(value))
    );
  }
  return value.get<int64_t>();
}

Result<bool> read_bool(const Json& value, const std::string& path) {
  if (!value.is_boolean()) return wrong_type(path, "true or false", value);
  return value.get<bool>();
}

Result<std::string> read_string(
    const Json& value, const std::string& path, size_t most_characters
) {
  if (!value.is_string()) return wrong_type(path, "a string", value);
  const auto& text = value.get_ref<const std::string&>();
  const size_t count = num_characters(text);
  if (count > most_characters) {
    return invalid_value(
        path,
        fmt::format("{} has {} characters; at most {} are allowed", path, count, most_characters)
    );
  }
  return text;
}

Result<std::vector<std::string>> read_strings(
    const Json& value, const std::string& path, size_t most_items, size_t most_characters
) {
  if (!value.is_array()) return wrong_type(path, "an array of strings", value);
  if (value.size() > most_items) {
    return invalid_value(
        path, fmt::format("{} has {} items; at most {} are allowed", path, value.size(), most_items)
    );
  }
  std::vector<std::string> strings;
  for (const Json& item : value) {
    Result<std::string> text = read_string(item, join_path(path, strings.size()), most_characters);
    if (!text.ok()) return text.error();
    strings.push_back(std::move(text).value());
  }
  return strings;
}

Result<std::vector<int32_t>> read_ids(const Json& value, const std::string& path) {
  if (!value.is_array()) return wrong_type(path, "an array of token ids", value);
  std::vector<int32_t> ids;
  ids.reserve(value.size());
  for (const Json& item : value) {
    const Result<int64_t> id = read_integer(item, join_path(path, ids.size()), 0, INT32_MAX);
    if (!id.ok()) return id.error();
    ids.push_back(static_cast<int32_t>(id.value()));
  }
  return ids;
}

size_t num_characters(std::string_view text) {
  const auto begins_one = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_one));
}

std::string join_path(const std::string& outer, std::string_view name) {
  return outer.empty() ? std::string(name) : fmt::format("{}.{}", outer, name);
}

std::string join_path(const std::string& outer, size_t index) {
  return fmt::format("{}[{}]", outer, index);
}

}  // namespace trellis::server
