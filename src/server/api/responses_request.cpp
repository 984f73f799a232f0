#include "server/api/responses_request.h"

#include "server/api/constraint_fields.h"

namespace trellis::server {
namespace {

using R = ResponsesRequest;

constexpr ToolShape kToolShape = ToolShape::kFlat;
constexpr size_t kMostItems = 16384;
constexpr size_t kMostTextCharacters = 64u << 20;

/// An item that is no message.
struct Item {
  std::optional<std::string> type;  // none: a message
  std::string call_id;
  std::string name;
  Json arguments;
  std::string output;
};

std::optional<ApiError> keep_arguments(const Json& value, const std::string&, Item& item) {
  item.arguments = value;
  return std::nullopt;
}

const Fields<Item>& type_fields() {
  static const Fields<Item> fields = {string_field("type", &Item::type, kMostNameCharacters)};
  return fields;
}

const Fields<Item>& call_fields() {
  static const Fields<Item> fields = {
      required(string_field("call_id", &Item::call_id, kMostNameCharacters)),
      required(string_field("name", &Item::name, kMostNameCharacters)),
      required(Field<Item>{"arguments", {{"type", "string"}}, keep_arguments}),
  };
  return fields;
}

const Fields<Item>& output_fields() {
  static const Fields<Item> fields = {
      required(string_field("call_id", &Item::call_id, kMostNameCharacters)),
      required(string_field("output", &Item::output, kMostTextCharacters)),
  };
  return fields;
}

/// The last message holds a call: where the one before is the assistant's, too, it is part of it.
void join_last_calls(OrderedJson& messages) {
  const size_t size = messages.size();
  if (size < 2 || messages[size - 2]["role"] != "assistant") return;
  OrderedJson call = std::move(messages.back()["tool_calls"][0]);
  messages.erase(size - 1);
  messages.back()["tool_calls"].push_back(std::move(call));
}

/// Calls and their outputs become the messages that chat completions have for them. Reasoning is
/// left out, as templates leave out that of earlier answers.
std::optional<ApiError> read_item(
    const Json& value, const std::string& path, OrderedJson& messages
) {
  Item item;
  if (auto error = read_fields(value, path, type_fields(), item)) return error;
  const std::string type = item.type.value_or("message");
  if (type == "message") return read_message(value, path, messages);
  if (type == "reasoning") return std::nullopt;
  if (type == "function_call") {
    if (auto error = read_fields(value, path, call_fields(), item)) return error;
    const Json function = {{"name", item.name}, {"arguments", item.arguments}};
    const Json call = {{"id", item.call_id}, {"function", function}};
    const Json message = {{"role", "assistant"}, {"tool_calls", Json::array({call})}};
    if (auto error = read_message(message, path, messages)) return error;
    join_last_calls(messages);
    return std::nullopt;
  }
  if (type == "function_call_output") {
    if (auto error = read_fields(value, path, output_fields(), item)) return error;
    messages.push_back({{"role", "tool"}, {"content", item.output}, {"tool_call_id", item.call_id}}
    );
    return std::nullopt;
  }
  return unsupported(
      join_path(path, "type"), fmt::format("{}: items of type \"{}\" are not supported", path, type)
  );
}

std::optional<ApiError> read_input(const Json& value, const std::string& path, R& request) {
  OrderedJson& messages = request.prompt.messages;
  if (value.is_string()) {
    messages.push_back({{"role", "user"}, {"content", value.get<std::string>()}});
    return std::nullopt;
  }
  if (!value.is_array()) return wrong_type(path, "a string or an array of items", value);
  if (value.size() > kMostItems) {
    return invalid_value(
        path, fmt::format("{} has {} items; at most {} are allowed", path, value.size(), kMostItems)
    );
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto error = read_item(value[i], join_path(path, i), messages)) return error;
  }
  if (messages.empty()) return invalid_value(path, path + " holds no message; send at least one");
  return std::nullopt;
}

/// "text", which says in "format" what the answer must look like.
std::optional<ApiError> read_text(const Json& value, const std::string& path, R& request) {
  static const Fields<GenerationFields> fields = {
      {"format", answer_format_schema(SchemaPlace::kBesideType),
       [](const Json& format, const std::string& format_path, GenerationFields& target) {
         return read_answer_format(format, format_path, SchemaPlace::kBesideType, target);
       }}
  };
  return read_fields(value, path, fields, request.generation);
}

Fields<R> make_fields() {
  using G = GenerationFields;
  const Fields<Request> of_request = {
      integer_field("max_output_tokens", &Request::max_tokens, 1, INT32_MAX), banned_strings_field()
  };
  Fields<G> generation =
      fields_within(&G::sampling, sampling_fields()) + fields_within(&G::request, of_request);
  generation.push_back(model_field<G>());
  generation.push_back(bool_field("stream", &G::stream));

  Fields<R> fields = fields_within(&R::generation, generation);
  fields.push_back(required(Field<R>{
      "input",
      {{"anyOf",
        {{{"type", "string"}},
         {{"type", "array"}, {"maxItems", kMostItems}, {"items", {{"type", "object"}}}}}}},
      read_input
  }));
  fields.push_back(string_field("instructions", &R::instructions, kMostTextCharacters));
  fields = fields + fields_within(&R::toolbox, tool_fields(kToolShape)) +
           fields_within(&R::reasoning, reasoning_fields());
  const std::string no_memory = "nothing is kept between requests; send the whole conversation";
  fields.push_back(neutral_field<R>("previous_response_id", {}, no_memory));
  fields.push_back(neutral_field<R>("conversation", {}, no_memory));
  fields.push_back(neutral_field<R>("background", {false}, no_memory));
  fields.push_back(neutral_field<R>("truncation", {"disabled"}, "shorten the input yourself"));
  fields.push_back(neutral_field<R>(
      "include", {Json::array(), Json::array({"reasoning.encrypted_content"})},
      "there is nothing to include"
  ));
  fields.push_back(neutral_field<R>("top_logprobs", {0}, "use /v1/chat/completions for them"));
  fields.push_back(
      {"text",
       {{"type", "object"},
        {"properties", {{"format", answer_format_schema(SchemaPlace::kBesideType)}}}},
       read_text}
  );
  return fields;
}

}  // namespace

const Fields<ResponsesRequest>& responses_request_fields() {
  static const Fields<R> fields = make_fields();
  return fields;
}

Result<ResponsesRequest> read_responses_request(
    const RequestBody& body, const SamplingParams& defaults
) {
  R request;
  request.generation.sampling.params = defaults;
  if (auto error = read_fields(body.json, "", responses_request_fields(), request)) return *error;
  keep_key_order(request.generation, body.text);
  if (auto error = complete(request.toolbox, kToolShape, body.text)) return *error;
  if (request.instructions) {
    OrderedJson& messages = request.prompt.messages;
    const OrderedJson system = {{"role", "system"}, {"content", *request.instructions}};
    messages.insert(messages.begin(), system);
  }
  return request;
}

}  // namespace trellis::server
