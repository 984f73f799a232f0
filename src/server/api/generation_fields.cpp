#include "server/api/generation_fields.h"

#include "server/api/constraint_fields.h"

namespace trellis::server {
namespace {

using G = GenerationFields;

std::optional<ApiError> read_stop(const Json& value, const std::string& path, Request& request) {
  if (value.is_string()) {
    auto text = read_string(value, path, kMostStopCharacters);
    if (!text.ok()) return text.error();
    request.stop_strings = {std::move(text).value()};
    return std::nullopt;
  }
  if (!value.is_array()) return wrong_type(path, "a string or an array of strings", value);
  auto texts = read_strings(value, path, kMostStopStrings, kMostStopCharacters);
  if (!texts.ok()) return texts.error();
  request.stop_strings = std::move(texts).value();
  return std::nullopt;
}

std::optional<ApiError> read_stream_options(
    const Json& value, const std::string& path, StreamOptions& options
) {
  static const Fields<StreamOptions> fields = {
      bool_field("include_usage", &StreamOptions::include_usage)
  };
  return read_fields(value, path, fields, options);
}

Fields<G> make_fields() {
  using R = Request;
  Fields<R> r = {
      integer_field(
          "max_tokens", &R::max_tokens, 1, INT32_MAX,
          {{"description", "Absent: as many as the context has room for."}}
      ),
      integer_field("min_tokens", &R::min_tokens, 0, INT32_MAX),
      stop_field("stop"),
      ids_field("stop_token_ids", &R::stop_token_ids),
      bool_field("ignore_eos", &R::ignore_eos),
      string_field(
          "cache_salt", &R::cache_salt, kMostNameCharacters,
          {{"description", "Requests of other salts share no computed prompts."}}
      ),
      integer_field(
          "priority", &R::priority, -1000, 1000,
          {{"description", "Of those that wait, higher ones start first."}}
      ),
  };
  Fields<G> fields = fields_within(&G::sampling, sampling_fields()) + fields_within(&G::request, r);
  fields.push_back(model_field(&G::model));
  fields.push_back(integer_field("n", &G::num_choices, 1, kMostChoices));
  fields.push_back(bool_field("stream", &G::stream));
  fields.push_back(
      {"stream_options",
       {{"type", "object"}, {"properties", {{"include_usage", {{"type", {"boolean", "null"}}}}}}},
       [](const Json& value, const std::string& path, G& target) {
         return read_stream_options(value, path, target.stream_options);
       }}
  );
  const std::string of_prompt = "Trellis computes log probabilities of the answer only";
  fields.push_back(neutral_field<G>("prompt_logprobs", {}, of_prompt));
  fields.push_back(neutral_field<G>(
      "include_stop_str_in_output", {false}, "a stop string is never part of the answer"
  ));
  fields.push_back(neutral_field<G>(
      "skip_special_tokens", {true}, "special tokens are never part of the answer's text"
  ));
  fields.push_back(neutral_field<G>("truncate_prompt_tokens", {}, "shorten the prompt yourself"));
  return fields + constraint_fields();
}

}  // namespace

Field<Request> stop_field(std::string name) {
  const Json text = {{"type", "string"}, {"maxLength", kMostStopCharacters}};
  return {
      std::move(name),
      {{"anyOf", {text, {{"type", "array"}, {"maxItems", kMostStopStrings}, {"items", text}}}},
       {"description", "The answer ends before the first of these."}},
      read_stop
  };
}

const Fields<GenerationFields>& generation_fields() {
  static const Fields<GenerationFields> fields = make_fields();
  return fields;
}

std::vector<Request> requests_for(const GenerationFields& fields, std::vector<int32_t> prompt_ids) {
  Request request = fields.request;
  request.prompt_ids = std::move(prompt_ids);
  request.sampling = combine(fields.sampling);
  std::vector<Request> requests(static_cast<size_t>(fields.num_choices), request);
  if (!request.sampling.seed) return requests;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].sampling.seed = seed_of_choice(*request.sampling.seed, i);
  }
  return requests;
}

}  // namespace trellis::server
