#include "server/api/message_fields.h"

#include <algorithm>
#include <array>

namespace trellis::server {
namespace {

constexpr size_t kMostTextCharacters = 64u << 20;
constexpr size_t kMostNameCharacters = 256;
constexpr size_t kMostToolCalls = 128;
constexpr size_t kMostVariables = 64;
constexpr size_t kMostVariableBytes = 64u << 10;
/// Names that a template's variables may not take: they are what Trellis itself sets.
constexpr std::array<const char*, 3> kOwnVariables = {"messages", "tools", "add_generation_prompt"};

/// Of parts that hold text; the last two are those of /v1/responses.
constexpr std::array<const char*, 3> kPartTypes = {"text", "input_text", "output_text"};

struct FunctionCall {
  std::string name;
  OrderedJson arguments = OrderedJson::object();
};

struct ToolCall {
  std::optional<std::string> id;
  FunctionCall function;
};

struct Message {
  std::string role;
  std::optional<std::string> content;
  std::optional<std::string> name;
  std::optional<std::string> reasoning_content;
  std::optional<std::string> tool_call_id;
  std::vector<ToolCall> tool_calls;
};

struct ContentPart {
  std::string type;
  std::optional<std::string> text;
};

const Fields<ContentPart>& part_fields() {
  static const Fields<ContentPart> fields = {
      required(string_field("type", &ContentPart::type, kMostNameCharacters, {{"enum", kPartTypes}})
      ),
      string_field("text", &ContentPart::text, kMostTextCharacters),
  };
  return fields;
}

/// A string, or an array of parts with text, which become its lines.
std::optional<ApiError> read_content(const Json& value, const std::string& path, Message& message) {
  if (value.is_string()) {
    message.content = value.get<std::string>();
    return std::nullopt;
  }
  if (!value.is_array()) return wrong_type(path, "a string or an array of parts", value);
  std::string content;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string where = join_path(path, i);
    ContentPart part;
    if (auto error = read_fields(value[i], where, part_fields(), part)) return error;
    if (std::find(kPartTypes.begin(), kPartTypes.end(), part.type) == kPartTypes.end()) {
      return unsupported(
          join_path(where, "type"),
          fmt::format("{}: parts of type \"{}\" are not supported; send text", where, part.type)
      );
    }
    if (!part.text) return missing(join_path(where, "text"));
    if (i > 0) content += '\n';
    content += *part.text;
  }
  message.content = std::move(content);
  return std::nullopt;
}

std::optional<ApiError> read_role(const Json& value, const std::string& path, Message& message) {
  auto role = read_string(value, path, kMostNameCharacters);
  if (!role.ok()) return role.error();
  static constexpr std::array kRoles = {"system", "developer", "user", "assistant", "tool"};
  if (std::find(kRoles.begin(), kRoles.end(), role.value()) == kRoles.end()) {
    return invalid_value(
        path, fmt::format(
                  "{} must be system, developer, user, assistant or tool, found \"{}\"", path,
                  role.value()
              )
    );
  }
  // Templates know the older name of the same role.
  message.role = role.value() == "developer" ? "system" : std::move(role).value();
  return std::nullopt;
}

/// Objects in JSON text, as OpenAI writes them, or objects as they are. Templates print them, so
/// the order of keys is kept where there is one.
std::optional<ApiError> read_arguments(
    const Json& value, const std::string& path, FunctionCall& call
) {
  if (value.is_object()) {
    call.arguments = value;
    return std::nullopt;
  }
  if (!value.is_string()) return wrong_type(path, "an object as JSON text", value);
  const auto& text = value.get_ref<const std::string&>();
  try {
    const Json arguments = parse_json(text, path);
    if (!arguments.is_object()) return wrong_type(path, "an object as JSON text", arguments);
    // Looking a key up in an object that keeps its order takes as long as the object is.
    const bool small = std::count(text.begin(), text.end(), ':') <= 4096;
    call.arguments = small ? OrderedJson::parse(text) : OrderedJson(arguments);
  } catch (const UserError& error) {
    return invalid_value(path, error.what());
  }
  return std::nullopt;
}

const Fields<FunctionCall>& function_fields() {
  static const Fields<FunctionCall> fields = {
      required(string_field("name", &FunctionCall::name, kMostNameCharacters)),
      {"arguments", {{"type", {"string", "object"}}}, read_arguments},
  };
  return fields;
}

std::optional<ApiError> read_function(const Json& value, const std::string& path, ToolCall& call) {
  return read_fields(value, path, function_fields(), call.function);
}

const Fields<ToolCall>& call_fields() {
  static const Fields<ToolCall> fields = {
      string_field("id", &ToolCall::id, kMostNameCharacters),
      required(Field<ToolCall>{"function", object_schema(function_fields()), read_function}),
  };
  return fields;
}

std::optional<ApiError> read_tool_calls(
    const Json& value, const std::string& path, Message& message
) {
  if (!value.is_array()) return wrong_type(path, "an array of tool calls", value);
  if (value.size() > kMostToolCalls) {
    return invalid_value(
        path,
        fmt::format("{} has {} items; at most {} are allowed", path, value.size(), kMostToolCalls)
    );
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto error = read_fields(
            value[i], join_path(path, i), call_fields(), message.tool_calls.emplace_back()
        )) {
      return error;
    }
  }
  return std::nullopt;
}

const Fields<Message>& message_fields() {
  static const Json part = object_schema(part_fields());
  static const Fields<Message> fields = {
      required(Field<Message>{
          "role", {{"enum", {"system", "developer", "user", "assistant", "tool"}}}, read_role
      }),
      {"content",
       {{"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", part}}}}},
       read_content},
      string_field("name", &Message::name, kMostNameCharacters),
      string_field("reasoning_content", &Message::reasoning_content, kMostTextCharacters),
      string_field("tool_call_id", &Message::tool_call_id, kMostNameCharacters),
      {"tool_calls",
       {{"type", "array"}, {"maxItems", kMostToolCalls}, {"items", object_schema(call_fields())}},
       read_tool_calls},
  };
  return fields;
}

OrderedJson to_json(Message message) {
  OrderedJson json = {{"role", std::move(message.role)}};
  json["content"] = std::move(message.content).value_or("");
  const auto set = [&json](const char* key, std::optional<std::string>& value) {
    if (value) json[key] = *std::move(value);
  };
  set("name", message.name);
  set("reasoning_content", message.reasoning_content);
  set("tool_call_id", message.tool_call_id);
  for (ToolCall& call : message.tool_calls) {
    OrderedJson entry = {{"type", "function"}};
    if (call.id) entry["id"] = *std::move(call.id);
    entry["function"] = {
        {"name", std::move(call.function.name)}, {"arguments", std::move(call.function.arguments)}
    };
    json["tool_calls"].push_back(std::move(entry));
  }
  return json;
}

std::optional<ApiError> read_messages(
    const Json& value, const std::string& path, ChatPrompt& prompt
) {
  return read_each_message(value, path, [&](const Json& message, const std::string& place) {
    return read_message(message, place, prompt.messages);
  });
}

std::optional<ApiError> read_variables(
    const Json& value, const std::string& path, ChatPrompt& prompt
) {
  if (!value.is_object()) return wrong_type(path, "an object", value);
  if (value.size() > kMostVariables || value.dump().size() > kMostVariableBytes) {
    return invalid_value(
        path,
        fmt::format(
            "{} may have {} members and {} bytes of JSON", path, kMostVariables, kMostVariableBytes
        )
    );
  }
  for (const char* name : kOwnVariables) {
    if (value.contains(name)) {
      return invalid_value(path, fmt::format("{} may not set {}", path, name));
    }
  }
  for (const auto& [name, variable] : value.items()) prompt.template_variables[name] = variable;
  return std::nullopt;
}

Fields<ChatPrompt> make_fields() {
  return {
      required(Field<ChatPrompt>{
          "messages",
          {{"type", "array"},
           {"minItems", 1},
           {"maxItems", kMostMessages},
           {"items", object_schema(message_fields())}},
          read_messages
      }),
      {"template_vars",
       {{"type", "object"},
        {"maxProperties", kMostVariables},
        {"description", "Another name of chat_template_kwargs."}},
       read_variables},
      {"chat_template_kwargs",
       {{"type", "object"},
        {"maxProperties", kMostVariables},
        {"description", "Variables for the chat template, e.g. enable_thinking."}},
       read_variables},
      bool_field("add_generation_prompt", &ChatPrompt::add_generation_prompt),
      bool_field("continue_final_message", &ChatPrompt::continue_final_message),
      neutral_field<ChatPrompt>("chat_template", {}, "the model's own template is used"),
  };
}

}  // namespace

std::optional<ApiError> read_each_message(
    const Json& value, const std::string& path,
    const std::function<std::optional<ApiError>(const Json&, const std::string&)>& read
) {
  if (!value.is_array()) return wrong_type(path, "an array of messages", value);
  if (value.empty()) return invalid_value(path, path + " is empty; send at least one message");
  if (value.size() > kMostMessages) {
    return invalid_value(
        path,
        fmt::format("{} has {} items; at most {} are allowed", path, value.size(), kMostMessages)
    );
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto error = read(value[i], join_path(path, i))) return error;
  }
  return std::nullopt;
}

std::optional<ApiError> read_message(
    const Json& value, const std::string& path, OrderedJson& messages
) {
  Message message;
  if (auto error = read_fields(value, path, message_fields(), message)) return error;
  const bool may_be_silent = message.role == "assistant" && !message.tool_calls.empty();
  if (!message.content && !may_be_silent) return missing(join_path(path, "content"));
  messages.push_back(to_json(std::move(message)));
  return std::nullopt;
}

Json message_schema() {
  return object_schema(message_fields());
}

const Fields<ChatPrompt>& chat_prompt_fields() {
  static const Fields<ChatPrompt> fields = make_fields();
  return fields;
}

}  // namespace trellis::server
