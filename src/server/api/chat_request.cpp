#include "server/api/chat_request.h"

#include "server/api/constraint_fields.h"

namespace trellis::server {
namespace {

constexpr ToolShape kToolShape = ToolShape::kInFunction;

Fields<ChatRequest> make_fields() {
  Fields<ChatRequest> fields = fields_within(&ChatRequest::prompt, chat_prompt_fields()) +
                               fields_within(&ChatRequest::generation, generation_fields()) +
                               fields_within(&ChatRequest::toolbox, tool_fields(kToolShape)) +
                               fields_within(&ChatRequest::reasoning, reasoning_fields());
  const Fields<Request> limit = {integer_field(
      "max_completion_tokens", &Request::max_tokens, 1, INT32_MAX,
      {{"description", "Another name of max_tokens; wins over it."}}
  )};
  fields =
      fields +
      fields_within(&ChatRequest::generation, fields_within(&GenerationFields::request, limit));
  const std::string use_tools = "use tools";
  fields.push_back(neutral_field<ChatRequest>("functions", {Json::array()}, use_tools));
  fields.push_back(neutral_field<ChatRequest>("function_call", {"none", "auto"}, use_tools));
  fields.push_back(bool_field("logprobs", &ChatRequest::logprobs));
  fields.push_back(integer_field("top_logprobs", &ChatRequest::top_logprobs, 0, kMostLogprobs));
  return fields;
}

}  // namespace

const Fields<ChatRequest>& chat_request_fields() {
  static const Fields<ChatRequest> fields = make_fields();
  return fields;
}

Result<ChatRequest> read_chat_request(const RequestBody& body, const SamplingParams& defaults) {
  ChatRequest request;
  request.generation.sampling.params = defaults;
  if (auto error = read_fields(body.json, "", chat_request_fields(), request)) return *error;
  keep_key_order(request.generation, body.text);
  if (auto error = complete(request.toolbox, kToolShape, body.text)) return *error;
  if (request.top_logprobs > 0 && !request.logprobs) {
    return invalid_value("top_logprobs", "top_logprobs needs \"logprobs\": true");
  }
  if (auto error = check_streaming(request.generation)) return *error;
  if (request.logprobs) request.generation.request.logprobs = request.top_logprobs;
  return request;
}

}  // namespace trellis::server
