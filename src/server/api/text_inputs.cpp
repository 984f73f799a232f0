#include "server/api/text_inputs.h"

#include "server/api/field.h"

namespace trellis::server {
namespace {

Result<TextOrIds> read_input(const Json& value, const std::string& path) {
  if (value.is_string()) return TextOrIds(value.get<std::string>());
  if (!value.is_array()) return wrong_type(path, "a string or an array of token ids", value);
  auto ids = read_ids(value, path);
  if (!ids.ok()) return ids.error();
  return TextOrIds(std::move(ids).value());
}

}  // namespace

Result<std::vector<TextOrIds>> read_text_inputs(
    const Json& value, const std::string& path, size_t most, const char* what
) {
  if (!value.is_string() && !value.is_array()) {
    return wrong_type(path, "a string, token ids or an array of either", value);
  }
  if (value.empty() && value.is_array()) {
    return invalid_value(path, fmt::format("{} is empty; send at least one {}", path, what));
  }
  std::vector<TextOrIds> inputs;
  const bool is_one = value.is_string() || value[0].is_number();
  if (is_one) {
    auto input = read_input(value, path);
    if (!input.ok()) return input.error();
    inputs.push_back(std::move(input).value());
    return inputs;
  }
  if (value.size() > most) {
    return invalid_value(
        path, fmt::format("{} has {} {}s; at most {} are allowed", path, value.size(), what, most)
    );
  }
  for (const Json& item : value) {
    auto input = read_input(item, join_path(path, inputs.size()));
    if (!input.ok()) return input.error();
    inputs.push_back(std::move(input).value());
  }
  return inputs;
}

Json text_inputs_schema(size_t most) {
  const Json text = {{"type", "string"}};
  Json ids = ids_schema();
  ids["minItems"] = 1;
  const Json item = {{"anyOf", Json::array({text, ids})}};
  const Json several = {{"type", "array"}, {"minItems", 1}, {"maxItems", most}, {"items", item}};
  return {{"anyOf", Json::array({text, ids, several})}};
}

}  // namespace trellis::server
