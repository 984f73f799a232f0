#include "server/openapi.h"

#include "server/api/chat_request.h"
#include "server/api/completion_request.h"
#include "server/api/embedding_request.h"
#include "server/api/messages_request.h"
#include "server/api/model_request_fields.h"
#include "server/api/responses_request.h"
#include "server/api/text_requests.h"

namespace trellis::server {
namespace {

Json ref(const char* name) {
  return {{"$ref", std::string("#/components/schemas/") + name}};
}

Json array_of(Json items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

Json or_null(Json schema) {
  return {{"anyOf", Json::array({std::move(schema), {{"type", "null"}}})}};
}

const Json kText = {{"type", "string"}};
const Json kInteger = {{"type", "integer"}};
const Json kNumber = {{"type", "number"}};
const Json kBool = {{"type", "boolean"}};

/// An object all of whose properties are always there.
Json whole_object(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}
  };
}

Json answer_schema(const char* object, Json choice) {
  choice["index"] = kInteger;
  choice["finish_reason"] = {{"enum", {"stop", "length", "tool_calls", nullptr}}};
  return whole_object(
      {{"id", kText},
       {"object", {{"const", object}}},
       {"created", kInteger},
       {"model", kText},
       {"system_fingerprint", kText},
       {"choices", array_of(whole_object(std::move(choice)))},
       {"usage", ref("Usage")}}
  );
}

Json chat_logprobs_schema() {
  const Json token = {{"token", kText}, {"logprob", kNumber}, {"bytes", array_of(kInteger)}};
  Json entry = token;
  entry["top_logprobs"] = array_of(whole_object(token));
  return or_null(
      whole_object({{"content", array_of(whole_object(entry))}, {"refusal", {{"type", "null"}}}})
  );
}

Json completion_logprobs_schema() {
  return or_null(whole_object(
      {{"tokens", array_of(kText)},
       {"token_logprobs", array_of(or_null(kNumber))},
       {"top_logprobs", array_of(or_null({{"type", "object"}, {"additionalProperties", kNumber}}))},
       {"text_offset", array_of(kInteger)}}
  ));
}

Json embedding_list_schema() {
  const Json numbers = {{"anyOf", Json::array({array_of(kNumber), kText})}};
  const Json embedding = whole_object(
      {{"object", {{"const", "embedding"}}}, {"index", kInteger}, {"embedding", numbers}}
  );
  return whole_object(
      {{"object", {{"const", "list"}}},
       {"data", array_of(embedding)},
       {"model", kText},
       {"usage", whole_object({{"prompt_tokens", kInteger}, {"total_tokens", kInteger}})}}
  );
}

/// The assistant's message of a chat.
Json chat_message_schema() {
  const Json call = whole_object(
      {{"id", kText},
       {"type", {{"const", "function"}}},
       {"function", whole_object({{"name", kText}, {"arguments", kText}})}}
  );
  Json message = whole_object(
      {{"role", {{"const", "assistant"}}},
       {"content", or_null(kText)},
       {"refusal", {{"type", "null"}}}}
  );
  message["properties"]["reasoning_content"] = kText;
  message["properties"]["tool_calls"] = array_of(call);
  return message;
}

Json one_of(std::initializer_list<Json> schemas) {
  return {{"oneOf", Json::array_t(schemas)}};
}

/// Anthropic's message.
Json anthropic_message_schema() {
  const Json block = one_of(
      {whole_object({{"type", {{"const", "text"}}}, {"text", kText}}),
       whole_object({{"type", {{"const", "thinking"}}}, {"thinking", kText}, {"signature", kText}}),
       whole_object(
           {{"type", {{"const", "tool_use"}}},
            {"id", kText},
            {"name", kText},
            {"input", {{"type", "object"}}}}
       )}
  );
  return whole_object(
      {{"id", kText},
       {"type", {{"const", "message"}}},
       {"role", {{"const", "assistant"}}},
       {"model", kText},
       {"content", array_of(block)},
       {"stop_reason", {{"enum", {"end_turn", "max_tokens", "stop_sequence", "tool_use", nullptr}}}
       },
       {"stop_sequence", or_null(kText)},
       {"usage", whole_object(
                     {{"input_tokens", kInteger},
                      {"cache_creation_input_tokens", kInteger},
                      {"cache_read_input_tokens", kInteger},
                      {"output_tokens", kInteger}}
                 )}}
  );
}

/// OpenAI's response, as far as it is not what the request said.
Json response_schema() {
  const Json part = whole_object(
      {{"type", {{"const", "output_text"}}},
       {"text", kText},
       {"annotations", array_of(Json::object())}}
  );
  const Json thoughts = whole_object({{"type", {{"const", "reasoning_text"}}}, {"text", kText}});
  const Json item = one_of(
      {whole_object(
           {{"type", {{"const", "message"}}},
            {"id", kText},
            {"status", kText},
            {"role", {{"const", "assistant"}}},
            {"content", array_of(part)}}
       ),
       whole_object(
           {{"type", {{"const", "reasoning"}}},
            {"id", kText},
            {"status", kText},
            {"summary", array_of(Json::object())},
            {"content", array_of(thoughts)}}
       ),
       whole_object(
           {{"type", {{"const", "function_call"}}},
            {"id", kText},
            {"status", kText},
            {"call_id", kText},
            {"name", kText},
            {"arguments", kText}}
       )}
  );
  return whole_object(
      {{"id", kText},
       {"object", {{"const", "response"}}},
       {"created_at", kInteger},
       {"status", {{"enum", {"completed", "incomplete"}}}},
       {"model", kText},
       {"output", array_of(item)},
       {"usage",
        whole_object(
            {{"input_tokens", kInteger}, {"output_tokens", kInteger}, {"total_tokens", kInteger}}
        )}}
  );
}

const Json kModelState = {{"enum", {"available", "loading", "ready", "unloading", "failed"}}};

/// A model as administrators see it.
Json model_state_schema() {
  return whole_object(
      {{"id", kText},
       {"names", array_of(kText)},
       {"state", kModelState},
       {"progress", or_null(kNumber)},
       {"error", or_null(kText)},
       {"memory_bytes", kInteger},
       {"running_requests", kInteger},
       {"last_used", or_null(kInteger)},
       {"loads", kInteger},
       {"failed_loads", kInteger},
       {"unloads", kInteger},
       {"architecture", or_null(kText)},
       {"format", or_null(kText)},
       {"bits", or_null(kNumber)},
       {"max_model_len", or_null(kInteger)},
       {"backend", or_null(kText)}}
  );
}

/// How far a load is; its memory and time once the model is ready.
Json load_progress_schema() {
  Json schema = whole_object(
      {{"model", kText},
       {"state", kModelState},
       {"progress", kNumber},
       {"done_bytes", kInteger},
       {"total_bytes", kInteger}}
  );
  schema["properties"]["memory_bytes"] = kInteger;
  schema["properties"]["load_seconds"] = kNumber;
  return schema;
}

Json cache_state_schema() {
  const Json tier = whole_object(
      {{"pages", kInteger},
       {"bytes", kInteger},
       {"capacity_bytes", kInteger},
       {"hits", kInteger},
       {"dropped", kInteger},
       {"failed", kInteger}}
  );
  return whole_object(
      {{"model", kText},
       {"cache_type", kText},
       {"bytes", kInteger},
       {"pages", kInteger},
       {"used_pages", kInteger},
       {"cached_pages", kInteger},
       {"prompt_tokens", kInteger},
       {"cached_tokens", kInteger},
       {"hit_rate", kNumber},
       {"preemptions", kInteger},
       {"host", tier},
       {"disk", tier}}
  );
}

Json list_of(const char* item) {
  return whole_object({{"object", {{"const", "list"}}}, {"data", array_of(ref(item))}});
}

Json ready_schema() {
  Json schema =
      whole_object({{"ready", kBool}, {"state", {{"enum", {"ready", "loading", "failed"}}}}});
  schema["properties"]["progress"] = kNumber;
  return schema;
}

Json component_schemas() {
  return {
      {"ChatRequest", object_schema(chat_request_fields())},
      {"CompletionRequest", object_schema(completion_request_fields())},
      {"EmbeddingRequest", object_schema(embedding_request_fields())},
      {"MessagesRequest", object_schema(messages_request_fields())},
      {"CountTokensRequest", object_schema(count_tokens_request_fields())},
      {"ResponsesRequest", object_schema(responses_request_fields())},
      {"TokenizeRequest", object_schema(tokenize_request_fields())},
      {"DetokenizeRequest", object_schema(detokenize_request_fields())},
      {"ApplyTemplateRequest", object_schema(apply_template_request_fields())},
      {"Usage", whole_object(
                    {{"prompt_tokens", kInteger},
                     {"completion_tokens", kInteger},
                     {"total_tokens", kInteger},
                     {"prompt_tokens_details", whole_object({{"cached_tokens", kInteger}})}}
                )},
      {"ChatCompletion", answer_schema(
                             "chat.completion", {{"message", chat_message_schema()},
                                                 {"logprobs", chat_logprobs_schema()}}
                         )},
      {"Completion",
       answer_schema(
           "text_completion", {{"text", kText}, {"logprobs", completion_logprobs_schema()}}
       )},
      {"EmbeddingList", embedding_list_schema()},
      {"Message", anthropic_message_schema()},
      {"Response", response_schema()},
      {"InputTokens", whole_object({{"input_tokens", kInteger}})},
      {"Model", whole_object(
                    {{"id", kText},
                     {"object", {{"const", "model"}}},
                     {"created", kInteger},
                     {"owned_by", kText},
                     {"root", kText},
                     {"max_model_len", or_null(kInteger)},
                     {"state", kModelState}}
                )},
      {"ModelList", list_of("Model")},
      {"LoadModelRequest", object_schema(load_model_request_fields())},
      {"UnloadModelRequest", object_schema(unload_model_request_fields())},
      {"LoadProgress", load_progress_schema()},
      {"UnloadedModel", whole_object({{"model", kText}, {"state", kModelState}})},
      {"ModelState", model_state_schema()},
      {"ModelStateList", list_of("ModelState")},
      {"CacheState", cache_state_schema()},
      {"CacheStateList", list_of("CacheState")},
      {"Tokens", whole_object(
                     {{"count", kInteger},
                      {"max_model_len", kInteger},
                      {"tokens", array_of(kInteger)},
                      {"token_strs", or_null(array_of(kText))}}
                 )},
      {"Prompt", whole_object({{"prompt", kText}})},
      {"Health", whole_object({{"status", {{"enum", {"ok", "failed"}}}}, {"live", kBool}})},
      {"Ready", ready_schema()},
      {"Error", whole_object(
                    {{"error", whole_object(
                                   {{"message", kText},
                                    {"type", kText},
                                    {"param", or_null(kText)},
                                    {"code", or_null(kText)}}
                               )}}
                )},
  };
}

struct Operation {
  const char* method;
  const char* path;
  const char* summary;
  const char* request;  // the component of its body; null: it has none
  const char* reply;    // the component of its reply; null: text
  bool streams;         // may reply with server-sent events instead
};

constexpr Operation kOperations[] = {
    {"post", "/v1/chat/completions", "Answers a conversation.", "ChatRequest", "ChatCompletion",
     true},
    {"post", "/v1/completions", "Goes on with a text.", "CompletionRequest", "Completion", true},
    {"post", "/v1/embeddings", "Turns texts into vectors.", "EmbeddingRequest", "EmbeddingList",
     false},
    {"post", "/v1/messages", "Answers a conversation, in Anthropic's shape.", "MessagesRequest",
     "Message", true},
    {"post", "/v1/messages/count_tokens", "Counts the tokens of a conversation.",
     "CountTokensRequest", "InputTokens", false},
    {"post", "/v1/responses", "Answers a conversation, and keeps nothing of it.",
     "ResponsesRequest", "Response", true},
    {"get", "/v1/models", "Lists what is served.", nullptr, "ModelList", false},
    {"get", "/v1/models/{id}", "Describes one model.", nullptr, "Model", false},
    {"get", "/v1/model/list", "Tells administrators about every model.", nullptr, "ModelStateList",
     false},
    {"post", "/v1/model/load", "Loads a model, for administrators.", "LoadModelRequest",
     "LoadProgress", true},
    {"post", "/v1/model/unload", "Unloads a model, for administrators.", "UnloadModelRequest",
     "UnloadedModel", false},
    {"get", "/v1/cache", "Tells administrators about the caches.", nullptr, "CacheStateList", false
    },
    {"post", "/tokenize", "Gives the tokens of a text or a conversation.", "TokenizeRequest",
     "Tokens", false},
    {"post", "/detokenize", "Gives the text of tokens.", "DetokenizeRequest", "Prompt", false},
    {"post", "/apply-template", "Gives the text that the model sees of a conversation.",
     "ApplyTemplateRequest", "Prompt", false},
    {"get", "/health", "Tells whether the engine lives: 503 where it does not.", nullptr, "Health",
     false},
    {"get", "/ready", "Tells whether requests are welcome: 503 where not.", nullptr, "Ready", false
    },
    {"get", "/metrics", "Figures for Prometheus.", nullptr, nullptr, false},
    {"get", "/openapi.json", "This document.", nullptr, "OpenApi", false},
};

Json operation_json(const Operation& operation) {
  Json content = Json::object();
  if (operation.reply == nullptr) {
    content["text/plain"]["schema"] = kText;
  } else {
    content["application/json"]["schema"] = ref(operation.reply);
  }
  if (operation.streams) content["text/event-stream"]["schema"] = kText;
  const Json error = {{"application/json", {{"schema", ref("Error")}}}};
  Json result = {
      {"summary", operation.summary},
      {"responses",
       {{"200", {{"description", "The answer."}, {"content", content}}},
        {"default", {{"description", "An error."}, {"content", error}}}}}
  };
  const std::string_view path = operation.path;
  if (path == "/health" || path == "/ready") {
    result["responses"]["503"] = {{"description", "Not now."}, {"content", content}};
  }
  if (path.ends_with("{id}")) {
    result["parameters"] =
        Json::array({{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", kText}}});
  }
  if (operation.request != nullptr) {
    result["requestBody"] = {
        {"required", true},
        {"content", {{"application/json", {{"schema", ref(operation.request)}}}}}
    };
  }
  return result;
}

}  // namespace

Json openapi_document(const ServerContext& context) {
  Json document = {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Trellis"},
        {"version", context.version},
        {"description", "Runs language models behind OpenAI's API."}}},
      {"paths", Json::object()},
      {"components",
       {{"schemas", component_schemas()},
        {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}},
      {"security", Json::array({{{"bearer", Json::array()}}, Json::object()})}
  };
  document["components"]["schemas"]["OpenApi"] = {{"type", "object"}};
  for (const Operation& operation : kOperations) {
    document["paths"][operation.path][operation.method] = operation_json(operation);
  }
  return document;
}

}  // namespace trellis::server
