#include "server/api/generation_fields.h"

#include "server/api/constraint_fields.h"

namespace trellis::server {
namespace {

using G = GenerationFields;

/// A field that is a string, or an array of at most `most` strings.
Field<Request> strings_field(
    std::string name, std::vector<std::string> Request::* member, size_t most,
    size_t most_characters, const char* description
) {
  const Json text = {{"type", "string"}, {"maxLength", most_characters}};
  const Json texts = {{"type", "array"}, {"maxItems", most}, {"items", text}};
  return value_field(
      std::move(name), member, {{"anyOf", {text, texts}}, {"description", description}},
      [most, most_characters](
          const Json& value, const std::string& path
      ) -> Result<std::vector<std::string>> {
        if (value.is_string()) {
          auto one = read_string(value, path, most_characters);
          if (!one.ok()) return one.error();
          return std::vector<std::string>{std::move(one).value()};
        }
        if (!value.is_array()) return wrong_type(path, "a string or an array of strings", value);
        return read_strings(value, path, most, most_characters);
      }
  );
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
          "max_tokens", &R::max_tokens, 0, INT32_MAX,
          {{"description", "Absent: as many as the context has room for. 0: no answer."}}
      ),
      integer_field("min_tokens", &R::min_tokens, 0, INT32_MAX),
      stop_field("stop"),
      banned_strings_field(),
      ids_field("stop_token_ids", &R::stop_token_ids),
      bool_field("ignore_eos", &R::ignore_eos),
      salt_field(),
      priority_field(),
      integer_field(
          "prompt_logprobs", &R::prompt_logprobs, 0, kMostLogprobs,
          {{"description", "Log probabilities of the prompt's tokens, with so many alternatives."}}
      ),
  };
  Fields<G> fields = fields_within(&G::sampling, sampling_fields()) + fields_within(&G::request, r);
  fields.push_back(model_field<G>());
  fields.push_back(integer_field("n", &G::num_choices, 1, kMostChoices));
  fields.push_back(bool_field("stream", &G::stream));
  fields.push_back(
      {"stream_options",
       {{"type", "object"}, {"properties", {{"include_usage", {{"type", {"boolean", "null"}}}}}}},
       [](const Json& value, const std::string& path, G& target) {
         return read_stream_options(value, path, target.stream_options);
       }}
  );
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
  return strings_field(
      std::move(name), &Request::stop_strings, kMostStopStrings, kMostStopCharacters,
      "The answer ends before the first of these."
  );
}

Field<Request> banned_strings_field() {
  return strings_field(
      "banned_strings", &Request::banned_strings, kMostBannedStrings, kMostBannedCharacters,
      "In upper or lower case, these are never part of the answer."
  );
}

Field<Request> salt_field() {
  return string_field(
      "cache_salt", &Request::cache_salt, kMostNameCharacters,
      {{"description", "Requests of other salts share no computed prompts."}}
  );
}

Field<Request> priority_field() {
  return integer_field(
      "priority", &Request::priority, -1000, 1000,
      {{"description", "Of those that wait, higher ones start first."}}
  );
}

std::optional<ApiError> check_streaming(const GenerationFields& fields) {
  if (!fields.stream || fields.request.prompt_logprobs < 0) return std::nullopt;
  return unsupported(
      "prompt_logprobs", "prompt_logprobs are not streamed; leave stream out, or echo the prompt"
  );
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
