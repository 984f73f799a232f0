#include "server/api/chat_request.h"

namespace trellis::server {
namespace {

Fields<ChatRequest> make_fields() {
  Fields<ChatRequest> fields = fields_within(&ChatRequest::prompt, chat_prompt_fields()) +
                               fields_within(&ChatRequest::generation, generation_fields());
  const Fields<Request> limit = {integer_field(
      "max_completion_tokens", &Request::max_tokens, 1, INT32_MAX,
      {{"description", "Another name of max_tokens; wins over it."}}
  )};
  fields =
      fields +
      fields_within(&ChatRequest::generation, fields_within(&GenerationFields::request, limit));
  fields.push_back(bool_field("logprobs", &ChatRequest::logprobs));
  fields.push_back(integer_field("top_logprobs", &ChatRequest::top_logprobs, 0, kMostLogprobs));
  return fields;
}

}  // namespace

const Fields<ChatRequest>& chat_request_fields() {
  static const Fields<ChatRequest> fields = make_fields();
  return fields;
}

Result<ChatRequest> read_chat_request(const Json& body, const SamplingParams& defaults) {
  ChatRequest request;
  request.generation.sampling.params = defaults;
  if (auto error = read_fields(body, "", chat_request_fields(), request)) return *error;
  if (request.top_logprobs > 0 && !request.logprobs) {
    return invalid_value("top_logprobs", "top_logprobs needs \"logprobs\": true");
  }
  if (auto error = check_streaming(request.generation)) return *error;
  if (request.logprobs) request.generation.request.logprobs = request.top_logprobs;
  return request;
}

}  // namespace trellis::server
