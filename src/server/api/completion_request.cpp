#include "server/api/completion_request.h"

#include "server/api/constraint_fields.h"

#include <algorithm>

namespace trellis::server {
namespace {

using C = CompletionRequest;

Fields<C> make_fields() {
  Fields<C> fields = fields_within(&C::generation, generation_fields());
  fields.push_back(required(value_field(
      "prompt", &C::prompts, text_inputs_schema(kMostChoices),
      [](const Json& value, const std::string& path) {
        return read_text_inputs(value, path, kMostChoices, "prompt");
      }
  )));
  const Fields<Request> logprobs = {integer_field("logprobs", &Request::logprobs, 0, kMostLogprobs)
  };
  fields =
      fields + fields_within(&C::generation, fields_within(&GenerationFields::request, logprobs));
  fields.push_back(bool_field("echo", &C::echo));
  fields.push_back(bool_field("add_special_tokens", &C::add_special_tokens));
  fields.push_back(neutral_field<C>("best_of", {1}, "ask for n answers and choose yourself"));
  fields.push_back(neutral_field<C>(
      "suffix", {""}, "put the model's own tokens for filling in around the prompt"
  ));
  const std::string no_tools = "send the conversation to /v1/chat/completions";
  fields.push_back(neutral_field<C>("tools", {Json::array()}, no_tools));
  fields.push_back(neutral_field<C>("tool_choice", {"none", "auto"}, no_tools));
  return fields;
}

}  // namespace

const Fields<CompletionRequest>& completion_request_fields() {
  static const Fields<C> fields = make_fields();
  return fields;
}

Result<CompletionRequest> read_completion_request(
    const RequestBody& body, const SamplingParams& defaults
) {
  C request;
  request.generation.sampling.params = defaults;
  if (auto error = read_fields(body.json, "", completion_request_fields(), request)) return *error;
  keep_key_order(request.generation, body.text);
  if (auto error = check_streaming(request.generation)) return *error;
  Request& generated = request.generation.request;
  request.lists_prompt_logprobs = generated.prompt_logprobs >= 0;
  if (request.echo && generated.logprobs >= 0) {
    generated.prompt_logprobs = std::max(generated.prompt_logprobs, generated.logprobs);
  }
  const auto choices = request.prompts.size() * static_cast<size_t>(request.generation.num_choices);
  if (choices > static_cast<size_t>(kMostChoices)) {
    return invalid_value(
        "n",
        fmt::format(
            "n times the number of prompts is {}; at most {} are allowed", choices, kMostChoices
        )
    );
  }
  return request;
}

}  // namespace trellis::server
