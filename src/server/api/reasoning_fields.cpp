#include "server/api/reasoning_fields.h"

namespace trellis::server {
namespace {

using R = ReasoningFields;

constexpr size_t kMostNameCharacters = 256;

/// A budget; -1, which some clients send, stands for none.
Field<R> budget_field(std::string name) {
  return {
      std::move(name),
      {{"type", "integer"},
       {"minimum", -1},
       {"maximum", INT32_MAX},
       {"description", "Most tokens of the thoughts; -1: as many as the answer has room for."}},
      [](const Json& value, const std::string& path, R& fields) -> std::optional<ApiError> {
        const Result<int64_t> budget = read_integer(value, path, -1, INT32_MAX);
        if (!budget.ok()) return budget.error();
        fields.max_tokens.reset();
        if (budget.value() >= 0) fields.max_tokens = budget.value();
        return std::nullopt;
      }
  };
}

/// "none" switches thoughts off, where the template can.
Field<R> effort_field(std::string name) {
  return {
      std::move(name),
      {{"type", "string"}, {"maxLength", kMostNameCharacters}},
      [](const Json& value, const std::string& path, R& fields) -> std::optional<ApiError> {
        auto effort = read_string(value, path, kMostNameCharacters);
        if (!effort.ok()) return effort.error();
        if (effort.value() == "none") fields.template_variables["enable_thinking"] = false;
        fields.template_variables["reasoning_effort"] = std::move(effort).value();
        return std::nullopt;
      }
  };
}

Field<R> enable_field(std::string name) {
  return {
      std::move(name),
      {{"type", "boolean"}, {"description", "For templates that know enable_thinking."}},
      [](const Json& value, const std::string& path, R& fields) -> std::optional<ApiError> {
        const Result<bool> enabled = read_bool(value, path);
        if (!enabled.ok()) return enabled.error();
        fields.template_variables["enable_thinking"] = enabled.value();
        return std::nullopt;
      }
  };
}

Field<R> reasoning_field() {
  static const Fields<R> fields = {
      effort_field("effort"), enable_field("enabled"), budget_field("max_tokens")
  };
  return {
      "reasoning", object_schema(fields),
      [](const Json& value, const std::string& path, R& target) {
        return read_fields(value, path, fields, target);
      }
  };
}

struct Thinking {
  std::string type;
  std::optional<int64_t> budget_tokens;
};

/// Anthropic's.
Field<R> thinking_field() {
  static const Fields<Thinking> fields = {
      required(string_field(
          "type", &Thinking::type, kMostNameCharacters,
          {{"enum", {"enabled", "disabled", "adaptive"}}}
      )),
      integer_field("budget_tokens", &Thinking::budget_tokens, 1, INT32_MAX),
  };
  return {
      "thinking", object_schema(fields),
      [](const Json& value, const std::string& path, R& target) -> std::optional<ApiError> {
        Thinking thinking;
        if (auto error = read_fields(value, path, fields, thinking)) return error;
        const std::string& type = thinking.type;
        if (type != "enabled" && type != "disabled" && type != "adaptive") {
          return invalid_value(
              path, fmt::format("{}.type may be enabled, disabled or adaptive", path)
          );
        }
        target.template_variables["enable_thinking"] = type != "disabled";
        if (thinking.budget_tokens) target.max_tokens = thinking.budget_tokens;
        return std::nullopt;
      }
  };
}

}  // namespace

const Fields<ReasoningFields>& reasoning_fields() {
  static const Fields<R> fields =
      Fields<R>{
          thinking_field(), reasoning_field(), effort_field("reasoning_effort"),
          enable_field("enable_thinking")
      } +
      with_aliases(
          budget_field("reasoning_budget"), {"thinking_budget", "thinking_token_budget",
                                             "reasoning_budget_tokens", "thinking_budget_tokens"}
      );
  return fields;
}

void apply(const ReasoningFields& fields, ChatPrompt& prompt) {
  for (const auto& [name, value] : fields.template_variables.items()) {
    if (!prompt.template_variables.contains(name)) prompt.template_variables[name] = value;
  }
}

}  // namespace trellis::server
