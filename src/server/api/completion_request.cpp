#include "server/api/completion_request.h"

#include "server/api/constraint_fields.h"

#include <algorithm>

namespace trellis::server {
namespace {

using C = CompletionRequest;

Result<TextOrIds> read_prompt(const Json& value, const std::string& path) {
  if (value.is_string()) return TextOrIds(value.get<std::string>());
  if (!value.is_array()) return wrong_type(path, "a string or an array of token ids", value);
  auto ids = read_ids(value, path);
  if (!ids.ok()) return ids.error();
  return TextOrIds(std::move(ids).value());
}

std::optional<ApiError> read_prompts(const Json& value, const std::string& path, C& request) {
  if (!value.is_string() && !value.is_array()) {
    return wrong_type(path, "a string, token ids or an array of either", value);
  }
  if (value.empty() && value.is_array()) {
    return invalid_value(path, path + " is empty; send at least one prompt");
  }
  const bool is_one = value.is_string() || value[0].is_number();
  if (is_one) {
    auto prompt = read_prompt(value, path);
    if (!prompt.ok()) return prompt.error();
    request.prompts = {std::move(prompt).value()};
    return std::nullopt;
  }
  if (value.size() > static_cast<size_t>(kMostChoices)) {
    return invalid_value(
        path,
        fmt::format("{} has {} prompts; at most {} are allowed", path, value.size(), kMostChoices)
    );
  }
  request.prompts.clear();
  for (const Json& item : value) {
    auto prompt = read_prompt(item, join_path(path, request.prompts.size()));
    if (!prompt.ok()) return prompt.error();
    request.prompts.push_back(std::move(prompt).value());
  }
  return std::nullopt;
}

Json prompt_schema() {
  const Json text = {{"type", "string"}};
  Json ids = ids_schema();
  ids["minItems"] = 1;
  const auto several = [](const Json& items) {
    return Json{{"type", "array"}, {"minItems", 1}, {"maxItems", kMostChoices}, {"items", items}};
  };
  return {{"anyOf", Json::array({text, ids, several({{"anyOf", Json::array({text, ids})}})})}};
}

Fields<C> make_fields() {
  Fields<C> fields = fields_within(&C::generation, generation_fields());
  fields.push_back(required(Field<C>{"prompt", prompt_schema(), read_prompts}));
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
  if (request.echo && request.generation.request.logprobs >= 0) {
    return unsupported(
        "echo", "echo with logprobs is not supported: log probabilities are of the answer only"
    );
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
