#include "engine/json_schema_check.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <regex>

namespace trellis {
namespace {

class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {}

  std::string check(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>() ? "" : "false allows nothing";
    for (const auto& [keyword, argument] : schema.items()) {
      const std::string violation = check_keyword(schema, keyword, argument, value);
      if (!violation.empty()) return violation;
    }
    return "";
  }

 private:
  std::string check_keyword(
      const Json& schema, const std::string& keyword, const Json& argument, const Json& value
  ) const {
    if (keyword == "$defs") return "";
    if (keyword == "$ref") {
      return check(root_.at(Json::json_pointer(argument.get<std::string>().substr(1))), value);
    }
    if (keyword == "properties" || keyword == "items") return check_parts(schema, keyword, value);
    if (keyword == "prefixItems") return check_prefix(argument, value);
    if (keyword == "anyOf") {
      const bool any = std::any_of(argument.begin(), argument.end(), [&](const Json& option) {
        return check(option, value).empty();
      });
      return any ? "" : "anyOf";
    }
    if (keyword == "allOf") {
      for (const Json& part : argument) {
        if (const std::string violation = check(part, value); !violation.empty()) return violation;
      }
      return "";
    }
    return holds(schema, keyword, argument, value) ? "" : keyword + " of " + value.dump();
  }

  std::string check_parts(const Json& schema, const std::string& keyword, const Json& value) const {
    if (keyword == "properties" && value.is_object()) {
      for (const auto& [name, part] : value.items()) {
        if (!schema["properties"].contains(name)) continue;
        const std::string violation = check(schema["properties"][name], part);
        if (!violation.empty()) return violation;
      }
    }
    if (keyword == "items" && value.is_array()) {
      const size_t first = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
      for (size_t i = first; i < value.size(); ++i) {
        const std::string violation = check(schema["items"], value[i]);
        if (!violation.empty()) return violation;
      }
    }
    return "";
  }

  std::string check_prefix(const Json& schemas, const Json& value) const {
    for (size_t i = 0; value.is_array() && i < std::min(schemas.size(), value.size()); ++i) {
      const std::string violation = check(schemas[i], value[i]);
      if (!violation.empty()) return violation;
    }
    return "";
  }

  bool holds(
      const Json& schema, const std::string& keyword, const Json& argument, const Json& value
  ) const {
    if (keyword == "type") return has_type(argument, value);
    if (keyword == "enum")
      return std::find(argument.begin(), argument.end(), value) != argument.end();
    if (keyword == "const") return value == argument;
    if (keyword == "required") return has_all(argument, value);
    if (keyword == "additionalProperties") return adds_none(schema, argument, value);
    if (keyword == "maxProperties") {
      return !value.is_object() || value.size() <= argument.get<size_t>();
    }
    if (keyword == "minItems") return !value.is_array() || value.size() >= argument.get<size_t>();
    if (keyword == "maxItems") return !value.is_array() || value.size() <= argument.get<size_t>();
    if (keyword == "minLength") {
      return !value.is_string() || num_code_points(value) >= argument.get<size_t>();
    }
    if (keyword == "maxLength") {
      return !value.is_string() || num_code_points(value) <= argument.get<size_t>();
    }
    if (keyword == "pattern") return !value.is_string() || matches(argument, value);
    if (keyword == "format") return !value.is_string() || has_format(argument, value);
    return holds_number(keyword, argument, value);
  }

  static bool holds_number(const std::string& keyword, const Json& argument, const Json& value) {
    const std::map<std::string, std::function<bool(double, double)>> relations = {
        {"minimum", [](double x, double bound) { return x >= bound; }},
        {"maximum", [](double x, double bound) { return x <= bound; }},
        {"exclusiveMinimum", [](double x, double bound) { return x > bound; }},
        {"exclusiveMaximum", [](double x, double bound) { return x < bound; }},
        {"multipleOf", [](double x, double unit) { return std::fmod(x, unit) == 0.0; }},
    };
    const auto relation = relations.find(keyword);
    if (relation == relations.end()) return false;
    return !value.is_number() || relation->second(value.get<double>(), argument.get<double>());
  }

  static bool has_type(const Json& argument, const Json& value) {
    if (argument.is_array()) {
      return std::any_of(argument.begin(), argument.end(), [&](const Json& type) {
        return has_type(type, value);
      });
    }
    const auto type = argument.get<std::string>();
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "number") return value.is_number();
    const bool whole = value.is_number() && std::fmod(value.get<double>(), 1.0) == 0.0;
    return type == "integer" && whole;
  }

  static bool has_all(const Json& names, const Json& value) {
    return !value.is_object() || std::all_of(names.begin(), names.end(), [&](const Json& name) {
      return value.contains(name.get<std::string>());
    });
  }

  bool adds_none(const Json& schema, const Json& argument, const Json& value) const {
    if (!value.is_object()) return true;
    return std::all_of(value.items().begin(), value.items().end(), [&](const auto& member) {
      const bool named =
          schema.contains("properties") && schema["properties"].contains(member.key());
      return named || check(argument, member.value()).empty();
    });
  }

  static size_t num_code_points(const Json& value) {
    const auto& text = value.get_ref<const std::string&>();
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  }

  static bool matches(const Json& pattern, const Json& value) {
    return std::regex_search(
        value.get_ref<const std::string&>(), std::regex(pattern.get<std::string>())
    );
  }

  static bool has_format(const Json& format, const Json& value) {
    const std::map<std::string, std::string> patterns = {
        {"date", "^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$"},
        {"uuid", "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        {"ipv4",
         "^((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)$"},
    };
    const auto pattern = patterns.find(format.get<std::string>());
    return pattern != patterns.end() && matches(pattern->second, value);
  }

  const Json& root_;
};

}  // namespace

std::string schema_violation(const Json& schema, const Json& value) {
  return Checker(schema).check(schema, value);
}

}  // namespace trellis
