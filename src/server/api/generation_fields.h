// What the requests of all endpoints that generate have in common: sampling, limits, stops, choices
// and streaming.
#pragma once

#include "server/api/sampling_fields.h"
#include "trellis/engine.h"

namespace trellis::server {

inline constexpr int kMostChoices = 128;  // answers to one HTTP request
inline constexpr int kMostLogprobs = 20;  // alternatives of one token
inline constexpr size_t kMostStopStrings = 32;
inline constexpr size_t kMostStopCharacters = 1024;  // of one stop string
inline constexpr size_t kMostBannedStrings = 512;
inline constexpr size_t kMostBannedCharacters = 128;  // of one banned string
inline constexpr size_t kMostNameCharacters = 1024;   // of names and salts

struct StreamOptions {
  bool include_usage = false;
};

struct GenerationFields {
  SamplingFields sampling;
  Request request;            // all but its prompt and its sampling
  std::string grammar_field;  // by which the client asked for request.grammar, if it did
  int num_choices = 1;
  bool stream = false;
  StreamOptions stream_options;
};

/// What all endpoints in OpenAI's style share. Logprobs differ and are not among them.
const Fields<GenerationFields>& generation_fields();

/// The name of the model, which was read before all else (model_request.h).
template <typename T>
Field<T> model_field() {
  return {
      "model",
      {{"type", "string"},
       {"maxLength", kMostNameCharacters},
       {"description", "One of /v1/models; absent or empty: the server's default."}},
      [](const Json&, const std::string&, T&) { return std::nullopt; }
  };
}

/// "stop" and its like: a string or an array of strings.
Field<Request> stop_field(std::string name);
/// "banned_strings": a string or an array of strings.
Field<Request> banned_strings_field();
/// "cache_salt" and "priority".
Field<Request> salt_field();
Field<Request> priority_field();

/// What cannot be streamed.
std::optional<ApiError> check_streaming(const GenerationFields& fields);

/// The engine's requests for the choices of one prompt: they differ in their seeds.
std::vector<Request> requests_for(const GenerationFields& fields, std::vector<int32_t> prompt_ids);

}  // namespace trellis::server
