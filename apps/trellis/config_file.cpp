#include "apps/trellis/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace trellis {
namespace {

CLI::ValidationError wrong(const std::string& where, const std::string& message) {
  return CLI::ValidationError(where + message);
}

/// As it would stand on the command line.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return text;
  if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
  return std::nullopt;
}

std::vector<std::string> texts_of(const toml::node& node, const std::string& where) {
  static constexpr const char* kExpected =
      "expected a text, a number, true or false, or a list of these";
  std::vector<std::string> texts;
  const auto add = [&](const toml::node& value) {
    auto text = text_of(value);
    if (!text) throw wrong(where, kExpected);
    texts.push_back(std::move(*text));
  };
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& value : *list) add(value);
  } else {
    add(node);
  }
  return texts;
}

/// Options that make no sense in a file are not found either.
CLI::Option* find_option(CLI::App& command, const std::string& key) {
  for (const char* excluded : {"config", "help", "version"}) {
    if (key == excluded) return nullptr;
  }
  if (CLI::Option* option = command.get_option_no_throw("--" + key)) return option;
  return command.get_parent() == nullptr ? nullptr : find_option(*command.get_parent(), key);
}

}  // namespace

void apply_config_file(CLI::App& command, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    const std::string where = line == 0 ? path : fmt::format("{}:{}", path, line);
    throw wrong(where + ": ", std::string(error.description()));
  }
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    const std::string where = fmt::format("{}:{}: ", path, name.source().begin.line);
    CLI::Option* option = find_option(command, key);
    if (option == nullptr) {
      throw wrong(where, fmt::format("unknown key \"{}\"; the keys are the options' names", key));
    }
    if (option->count() > 0) continue;  // the command line wins
    const std::vector<std::string> values = texts_of(node, where + key + ": ");
    if (values.empty()) continue;
    const bool is_flag = option->get_expected_max() == 0;
    if (values.size() > 1 && option->get_items_expected_max() <= 1) {
      throw wrong(where, fmt::format("{} takes one value, not a list", key));
    }
    if (is_flag && values.front() != "true" && values.front() != "false") {
      throw wrong(where, fmt::format("{}: expected true or false, found {}", key, values.front()));
    }
    for (const std::string& value : values) option->add_result(value);
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw wrong(where, error.what());
    }
  }
}

}  // namespace trellis
