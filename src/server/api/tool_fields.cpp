#include "server/api/tool_fields.h"

#include "server/api/request_body.h"

#include <algorithm>
#include <set>

namespace trellis::server {
namespace {

constexpr size_t kMostTools = 128;
constexpr size_t kMostNameCharacters = 128;
constexpr size_t kMostDescriptionCharacters = 1 << 20;
/// Beyond these, keys are sorted: looking one up in an object that keeps its order takes as long as
/// the object is.
constexpr auto kMostOrderedKeys = 4096;
constexpr size_t kMostOrderedBytes = 1 << 20;

std::optional<ApiError> read_name(const Json& value, const std::string& path, std::string& name) {
  auto text = read_string(value, path, kMostNameCharacters);
  if (!text.ok()) return text.error();
  name = std::move(text).value();
  const auto is_usual = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-.:/").find(c) != std::string_view::npos;
  };
  if (!name.empty() && std::all_of(name.begin(), name.end(), is_usual)) return std::nullopt;
  return invalid_value(
      path, fmt::format("{} may have letters, digits and _-.:/, found \"{}\"", path, name)
  );
}

Field<Tool> name_field() {
  return required(Field<Tool>{
      "name",
      {{"type", "string"}, {"maxLength", kMostNameCharacters}, {"pattern", "^[a-zA-Z0-9_.:/-]+$"}},
      [](const Json& value, const std::string& path, Tool& tool) {
        return read_name(value, path, tool.name);
      }
  });
}

Field<Tool> schema_field(std::string name) {
  return {
      std::move(name),
      {{"type", "object"}, {"description", "JSON schema of the arguments, an object."}},
      [](const Json& value, const std::string& path, Tool& tool) -> std::optional<ApiError> {
        if (!value.is_object()) return wrong_type(path, "a JSON schema", value);
        if (value.contains("type") && value["type"] != "object") {
          return invalid_value(path, path + " must have the type \"object\"");
        }
        tool.parameters = value;
        return std::nullopt;
      }
  };
}

Fields<Tool> function_fields(const char* schema_name) {
  return {
      name_field(),
      string_field("description", &Tool::description, kMostDescriptionCharacters),
      schema_field(schema_name),
      bool_field("strict", &Tool::strict),
  };
}

/// {"type": "function"}; others, such as a search that a server would do itself, are not offered.
Field<Tool> type_field(bool is_required, std::string only) {
  Field<Tool> field = {
      "type",
      {{"enum", {only}}},
      [only](const Json& value, const std::string& path, Tool&) -> std::optional<ApiError> {
        if (value == only) return std::nullopt;
        if (!value.is_string()) return wrong_type(path, "a string", value);
        return unsupported(
            path, fmt::format(
                      "{}: tools of type {} are not supported; send functions", path, value.dump()
                  )
        );
      }
  };
  field.is_required = is_required;
  return field;
}

Fields<Tool> fields_of(ToolShape shape) {
  if (shape == ToolShape::kFlat) {
    return Fields<Tool>{type_field(true, "function")} + function_fields("parameters");
  }
  if (shape == ToolShape::kInputSchema) {
    return Fields<Tool>{type_field(false, "custom")} + function_fields("input_schema");
  }
  const Fields<Tool> inner = function_fields("parameters");
  return {
      type_field(true, "function"),
      required(Field<Tool>{
          "function", object_schema(inner),
          [inner](const Json& value, const std::string& path, Tool& tool) {
            return read_fields(value, path, inner, tool);
          }
      }),
  };
}

Field<Toolbox> tools_field(ToolShape shape) {
  const Fields<Tool> fields = fields_of(shape);
  return {
      "tools",
      {{"type", "array"}, {"maxItems", kMostTools}, {"items", object_schema(fields)}},
      [fields](
          const Json& value, const std::string& path, Toolbox& box
      ) -> std::optional<ApiError> {
        if (!value.is_array()) return wrong_type(path, "an array of tools", value);
        if (value.size() > kMostTools) {
          return invalid_value(
              path,
              fmt::format("{} has {} items; at most {} are allowed", path, value.size(), kMostTools)
          );
        }
        std::set<std::string> names;
        for (size_t i = 0; i < value.size(); ++i) {
          const std::string where = join_path(path, i);
          Tool& tool = box.tools.emplace_back();
          tool.parameters = {{"type", "object"}, {"properties", OrderedJson::object()}};
          if (auto error = read_fields(value[i], where, fields, tool)) return error;
          if (!names.insert(tool.name).second) {
            return invalid_value(
                where, fmt::format("{}: there are two tools {}", where, tool.name)
            );
          }
        }
        return std::nullopt;
      }
  };
}

/// Who must be called, as an object says it: {"type": ..., "name": ...}, the name perhaps in
/// "function".
struct NamedChoice {
  std::string type;
  std::string name;
  bool disable_parallel_tool_use = false;
};

const Fields<NamedChoice>& named_fields() {
  static const Fields<NamedChoice> fields = {
      required(string_field("type", &NamedChoice::type, kMostNameCharacters)),
      string_field("name", &NamedChoice::name, kMostNameCharacters),
      bool_field("disable_parallel_tool_use", &NamedChoice::disable_parallel_tool_use),
      {"function",
       {{"type", "object"}},
       [](const Json& value, const std::string& path, NamedChoice& choice) {
         static const Fields<NamedChoice> inner = {
             required(string_field("name", &NamedChoice::name, kMostNameCharacters))
         };
         return read_fields(value, path, inner, choice);
       }},
  };
  return fields;
}

struct Word {
  const char* text;
  ToolChoice::Kind kind;
};

std::optional<ApiError> read_choice(
    const Json& value, const std::string& path, ToolShape shape, Toolbox& box
) {
  using Kind = ToolChoice::Kind;
  const bool is_anthropic = shape == ToolShape::kInputSchema;
  NamedChoice choice;
  if (value.is_string() && !is_anthropic) {
    choice.type = value.get<std::string>();
  } else if (value.is_object()) {
    if (auto error = read_fields(value, path, named_fields(), choice)) return error;
  } else {
    return wrong_type(path, is_anthropic ? "an object" : "a string or an object", value);
  }
  if (choice.disable_parallel_tool_use) box.parallel = false;
  const Word words[] = {
      {"none", Kind::kNone},
      {"auto", Kind::kAuto},
      {is_anthropic ? "any" : "required", Kind::kRequired},
      {is_anthropic ? "tool" : "function", Kind::kNamed}
  };
  for (const Word& word : words) {
    if (choice.type != word.text || (word.kind == Kind::kNamed && value.is_string())) continue;
    if (word.kind == Kind::kNamed && choice.name.empty()) return missing(join_path(path, "name"));
    box.choice = {word.kind, word.kind == Kind::kNamed ? choice.name : ""};
    return std::nullopt;
  }
  return invalid_value(
      path, fmt::format(
                "{} may be {}, {}, {} or name a {}, found \"{}\"", path, words[0].text,
                words[1].text, words[2].text, words[3].text, choice.type
            )
  );
}

Field<Toolbox> choice_field(ToolShape shape) {
  Json schema = {{"type", "object"}, {"required", {"type"}}};
  if (shape != ToolShape::kInputSchema) {
    schema = {{"anyOf", {{{"enum", {"none", "auto", "required"}}}, schema}}};
  }
  return {
      "tool_choice", std::move(schema),
      [shape](const Json& value, const std::string& path, Toolbox& box) {
        return read_choice(value, path, shape, box);
      }
  };
}

}  // namespace

Fields<Toolbox> tool_fields(ToolShape shape) {
  Fields<Toolbox> fields = {tools_field(shape)};
  // tool_choice may have a say in this, too.
  if (shape != ToolShape::kInputSchema) {
    fields.push_back(bool_field("parallel_tool_calls", &Toolbox::parallel));
  }
  fields.push_back(choice_field(shape));
  return fields;
}

std::optional<ApiError> complete(Toolbox& toolbox, ToolShape shape, std::string_view body_text) {
  const auto named = [&](const Tool& tool) { return tool.name == toolbox.choice.name; };
  if (toolbox.must_call() && toolbox.tools.empty()) {
    return invalid_value("tool_choice", "tool_choice wants a call, and there are no tools");
  }
  if (toolbox.choice.kind == ToolChoice::Kind::kNamed &&
      std::none_of(toolbox.tools.begin(), toolbox.tools.end(), named)) {
    return invalid_value(
        "tool_choice",
        fmt::format("tool_choice names {}, which is not in tools", toolbox.choice.name)
    );
  }
  const std::string_view tools_text = text_at(body_text, "tools");
  if (tools_text.size() > kMostOrderedBytes ||
      std::count(tools_text.begin(), tools_text.end(), ':') > kMostOrderedKeys) {
    return std::nullopt;
  }
  const char* const place = shape == ToolShape::kInFunction ? ".function.parameters"
                            : shape == ToolShape::kFlat     ? ".parameters"
                                                            : ".input_schema";
  for (size_t i = 0; i < toolbox.tools.size(); ++i) {
    const std::string_view text = text_at(tools_text, fmt::format("[{}]{}", i, place));
    if (text.starts_with('{')) toolbox.tools[i].parameters = OrderedJson::parse(text);
  }
  return std::nullopt;
}

}  // namespace trellis::server
