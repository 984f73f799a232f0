#include "server/api/messages_request.h"

namespace trellis::server {
namespace {

using M = MessagesRequest;

constexpr ToolShape kToolShape = ToolShape::kInputSchema;
constexpr size_t kMostTextCharacters = 64u << 20;

/// One block of content, whatever its type.
struct Block {
  std::string type;
  std::optional<std::string> text;
  std::optional<std::string> thinking;
  std::optional<std::string> id;           // tool_use
  std::optional<std::string> name;         // tool_use
  OrderedJson input;                       // tool_use
  std::optional<std::string> tool_use_id;  // tool_result
  std::optional<std::string> content;      // tool_result
};

/// What the blocks of one message hold.
struct Content {
  std::optional<std::string> text;
  std::optional<std::string> thinking;
  OrderedJson tool_calls = OrderedJson::array();
  OrderedJson tool_results = OrderedJson::array();  // messages of the role "tool"
};

void add_line(std::optional<std::string>& text, const std::string& line) {
  text = text ? *text + '\n' + line : line;
}

/// A string, or an array of blocks of text, which become its lines.
Result<std::string> read_text(const Json& value, const std::string& path);

const Fields<Block>& block_fields() {
  static const Fields<Block> fields = {
      required(string_field("type", &Block::type, kMostNameCharacters)),
      string_field("text", &Block::text, kMostTextCharacters),
      string_field("thinking", &Block::thinking, kMostTextCharacters),
      string_field("id", &Block::id, kMostNameCharacters),
      string_field("name", &Block::name, kMostNameCharacters),
      {"input",
       {{"type", "object"}},
       [](const Json& value, const std::string& path, Block& block) -> std::optional<ApiError> {
         if (!value.is_object()) return wrong_type(path, "an object", value);
         block.input = value;
         return std::nullopt;
       }},
      string_field("tool_use_id", &Block::tool_use_id, kMostNameCharacters),
      value_field("content", &Block::content, {{"type", {"string", "array"}}}, read_text),
  };
  return fields;
}

std::optional<ApiError> read_block(const Json& value, const std::string& path, Content& content) {
  Block block;
  if (auto error = read_fields(value, path, block_fields(), block)) return error;
  if (block.type == "text") {
    if (!block.text) return missing(join_path(path, "text"));
    add_line(content.text, *block.text);
  } else if (block.type == "thinking") {
    if (!block.thinking) return missing(join_path(path, "thinking"));
    add_line(content.thinking, *block.thinking);
  } else if (block.type == "tool_use") {
    if (!block.name) return missing(join_path(path, "name"));
    if (block.input.is_null()) return missing(join_path(path, "input"));
    content.tool_calls.push_back(
        {{"type", "function"},
         {"id", block.id.value_or("")},
         {"function", {{"name", *block.name}, {"arguments", block.input}}}}
    );
  } else if (block.type == "tool_result") {
    if (!block.tool_use_id) return missing(join_path(path, "tool_use_id"));
    content.tool_results.push_back(
        {{"role", "tool"},
         {"tool_call_id", *block.tool_use_id},
         {"content", block.content.value_or("")}}
    );
  } else {
    return unsupported(
        join_path(path, "type"),
        fmt::format("{}: blocks of type \"{}\" are not supported; send text", path, block.type)
    );
  }
  return std::nullopt;
}

Result<Content> read_content(const Json& value, const std::string& path) {
  Content content;
  if (value.is_string()) {
    content.text = value.get<std::string>();
    return content;
  }
  if (!value.is_array()) return wrong_type(path, "a string or an array of blocks", value);
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto error = read_block(value[i], join_path(path, i), content)) return *error;
  }
  return content;
}

Result<std::string> read_text(const Json& value, const std::string& path) {
  Result<Content> content = read_content(value, path);
  if (!content.ok()) return content.error();
  const Content& found = content.value();
  if (found.thinking || !found.tool_calls.empty() || !found.tool_results.empty()) {
    return invalid_value(path, path + " may hold text only");
  }
  return found.text.value_or("");
}

struct Message {
  std::string role;
  Content content;
};

std::optional<ApiError> read_role(const Json& value, const std::string& path, Message& message) {
  if (!value.is_string()) return wrong_type(path, "a string", value);
  message.role = value.get<std::string>();
  if (message.role == "user" || message.role == "assistant") return std::nullopt;
  return invalid_value(
      path, fmt::format("{} must be user or assistant; the system's text goes to system", path)
  );
}

const Fields<Message>& message_fields() {
  static const Fields<Message> fields = {
      required(Field<Message>{"role", {{"enum", {"user", "assistant"}}}, read_role}),
      required(value_field(
          "content", &Message::content,
          {{"anyOf",
            {{{"type", "string"}},
             {{"type", "array"}, {"items", {{"type", "object"}, {"required", {"type"}}}}}}}},
          read_content
      )),
  };
  return fields;
}

/// Tool results come first: they answer the message before.
void add_message(Message message, OrderedJson& messages) {
  for (OrderedJson& result : message.content.tool_results) messages.push_back(std::move(result));
  const bool has_calls = !message.content.tool_calls.empty();
  if (!message.content.text && !has_calls && !message.content.tool_results.empty()) return;
  OrderedJson json = {
      {"role", std::move(message.role)}, {"content", std::move(message.content.text).value_or("")}
  };
  if (message.content.thinking) json["reasoning_content"] = *message.content.thinking;
  if (has_calls) json["tool_calls"] = std::move(message.content.tool_calls);
  messages.push_back(std::move(json));
}

std::optional<ApiError> read_messages(const Json& value, const std::string& path, M& request) {
  return read_each_message(
      value, path,
      [&](const Json& one, const std::string& place) -> std::optional<ApiError> {
        Message message;
        if (auto error = read_fields(one, place, message_fields(), message)) return error;
        add_message(std::move(message), request.prompt.messages);
        return std::nullopt;
      }
  );
}

Fields<M> make_fields(bool max_tokens_is_required) {
  using G = GenerationFields;
  Field<Request> limit = integer_field("max_tokens", &Request::max_tokens, 1, INT32_MAX);
  limit.is_required = max_tokens_is_required;
  const Fields<Request> of_request = {limit, stop_field("stop_sequences"), banned_strings_field()};
  Fields<G> generation =
      fields_within(&G::sampling, sampling_fields()) + fields_within(&G::request, of_request);
  generation.push_back(model_field<G>());
  generation.push_back(bool_field("stream", &G::stream));

  Fields<M> fields = fields_within(&M::generation, generation);
  fields.push_back(required(Field<M>{
      "messages",
      {{"type", "array"},
       {"minItems", 1},
       {"maxItems", kMostMessages},
       {"items", object_schema(message_fields())}},
      read_messages
  }));
  fields.push_back(value_field(
      "system", &M::system,
      {{"anyOf",
        {{{"type", "string"}},
         {{"type", "array"}, {"items", {{"type", "object"}, {"required", {"type"}}}}}}}},
      read_text
  ));
  return fields + fields_within(&M::toolbox, tool_fields(kToolShape)) +
         fields_within(&M::reasoning, reasoning_fields());
}

}  // namespace

const Fields<MessagesRequest>& messages_request_fields() {
  static const Fields<M> fields = make_fields(true);
  return fields;
}

const Fields<MessagesRequest>& count_tokens_request_fields() {
  static const Fields<M> fields = make_fields(false);
  return fields;
}

Result<MessagesRequest> read_messages_request(
    const RequestBody& body, const Fields<MessagesRequest>& fields, const SamplingParams& defaults
) {
  M request;
  request.generation.sampling.params = defaults;
  if (auto error = read_fields(body.json, "", fields, request)) return *error;
  if (auto error = complete(request.toolbox, kToolShape, body.text)) return *error;
  OrderedJson& messages = request.prompt.messages;
  if (request.system) {
    const OrderedJson system = {{"role", "system"}, {"content", *request.system}};
    messages.insert(messages.begin(), system);
  }
  request.prompt.continue_final_message = messages.back()["role"] == "assistant";
  return request;
}

}  // namespace trellis::server
