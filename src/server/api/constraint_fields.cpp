#include "server/api/constraint_fields.h"

#include "server/api/request_body.h"

namespace trellis::server {
namespace {

using G = GenerationFields;

/// Of a pattern or grammar; the engine bounds what becomes of it.
constexpr size_t kMostGrammarCharacters = 1 << 20;

/// `path` is what asks for it, and what an error of the grammar will name.
std::optional<ApiError> constrain(
    G& target, const std::string& path, GrammarKind kind, std::string text
) {
  if (target.request.grammar) {
    return invalid_value(
        path, fmt::format(
                  "{} and {} both say what the answer must look like; send one of them",
                  target.grammar_field, path
              )
    );
  }
  target.request.grammar = Grammar{kind, std::move(text)};
  target.grammar_field = path;
  return std::nullopt;
}

/// A JSON schema, as an object or as its text.
Field<G> schema_field(std::string name) {
  return {
      std::move(name),
      {{"type", {"object", "string"}}},
      [](const Json& value, const std::string& path, G& target) -> std::optional<ApiError> {
        if (value.is_object())
          return constrain(target, path, GrammarKind::kJsonSchema, value.dump());
        if (!value.is_string()) return wrong_type(path, "a JSON schema", value);
        auto text = read_string(value, path, kMostGrammarCharacters);
        if (!text.ok()) return text.error();
        return constrain(target, path, GrammarKind::kJsonSchema, std::move(text).value());
      }
  };
}

Field<G> grammar_field(std::string name, GrammarKind kind) {
  return {
      std::move(name),
      {{"type", "string"}, {"maxLength", kMostGrammarCharacters}},
      [kind](const Json& value, const std::string& path, G& target) -> std::optional<ApiError> {
        auto text = read_string(value, path, kMostGrammarCharacters);
        if (!text.ok()) return text.error();
        return constrain(target, path, kind, std::move(text).value());
      }
  };
}

Field<G> choice_field(std::string name) {
  constexpr size_t kMostChoicesOfAnswer = 1024;
  return {
      std::move(name),
      {{"type", "array"},
       {"minItems", 1},
       {"maxItems", kMostChoicesOfAnswer},
       {"items", {{"type", "string"}, {"maxLength", kMostNameCharacters}}}},
      [](const Json& value, const std::string& path, G& target) -> std::optional<ApiError> {
        auto choices = read_strings(value, path, kMostChoicesOfAnswer, kMostNameCharacters);
        if (!choices.ok()) return choices.error();
        if (choices.value().empty()) {
          return invalid_value(path, fmt::format("{} needs at least one choice", path));
        }
        return constrain(target, path, GrammarKind::kChoice, Json(choices.value()).dump());
      }
  };
}

/// One of several members.
Field<G> structured_outputs_field() {
  static const Fields<G> fields = {
      schema_field("json"), grammar_field("regex", GrammarKind::kRegex), choice_field("choice"),
      grammar_field("grammar", GrammarKind::kLark)
  };
  return {
      "structured_outputs", object_schema(fields),
      [](const Json& value, const std::string& path, G& target) {
        return read_fields(value, path, fields, target);
      }
  };
}

}  // namespace

void keep_key_order(G& fields, std::string_view body_text) {
  std::optional<Grammar>& grammar = fields.request.grammar;
  if (!grammar || grammar->kind != GrammarKind::kJsonSchema) return;
  const std::string_view text = text_at(body_text, fields.grammar_field);
  if (text.starts_with('{')) grammar->text = text;
}

std::optional<ApiError> read_answer_format(
    const Json& value, const std::string& path, SchemaPlace place, G& target
) {
  if (!value.is_object()) return wrong_type(path, "an object", value);
  const std::string type_path = join_path(path, "type");
  if (!value.contains("type")) return missing(type_path);
  const Result<std::string> type = read_string(value["type"], type_path, kMostNameCharacters);
  if (!type.ok()) return type.error();
  if (type.value() == "text") return std::nullopt;
  if (type.value() == "json_object") return constrain(target, path, GrammarKind::kJsonObject, "");
  if (type.value() != "json_schema") {
    return invalid_value(
        type_path,
        fmt::format(
            "{} may be text, json_object or json_schema, found \"{}\"", type_path, type.value()
        )
    );
  }
  const bool in_member = place == SchemaPlace::kInMember;
  const std::string holder_path = in_member ? join_path(path, "json_schema") : path;
  if (in_member && !value.contains("json_schema")) return missing(holder_path);
  const Json& holder = in_member ? value["json_schema"] : value;
  if (!holder.is_object()) return wrong_type(holder_path, "an object", holder);
  const std::string schema_path = join_path(holder_path, "schema");
  if (!holder.contains("schema")) return missing(schema_path);
  const Json& schema = holder["schema"];
  if (!schema.is_object()) return wrong_type(schema_path, "a JSON schema", schema);
  return constrain(target, schema_path, GrammarKind::kJsonSchema, schema.dump());
}

Json answer_format_schema(SchemaPlace place) {
  const Json schema = {{"type", "object"}};
  Json properties = {{"type", {{"enum", {"text", "json_object", "json_schema"}}}}};
  if (place == SchemaPlace::kInMember) {
    properties["json_schema"] = {
        {"type", "object"}, {"required", {"schema"}}, {"properties", {{"schema", schema}}}
    };
  } else {
    properties["schema"] = schema;
  }
  return {{"type", "object"}, {"required", {"type"}}, {"properties", std::move(properties)}};
}

Fields<GenerationFields> constraint_fields() {
  return {
      {"response_format", answer_format_schema(SchemaPlace::kInMember),
       [](const Json& value, const std::string& path, G& target) {
         return read_answer_format(value, path, SchemaPlace::kInMember, target);
       }},
      schema_field("guided_json"),
      grammar_field("guided_regex", GrammarKind::kRegex),
      choice_field("guided_choice"),
      grammar_field("guided_grammar", GrammarKind::kLark),
      structured_outputs_field(),
      schema_field("json_schema"),
      grammar_field("regex_pattern", GrammarKind::kRegex),
      grammar_field("grammar_string", GrammarKind::kLark),
  };
}

}  // namespace trellis::server
