#include "server/api/model_request_fields.h"

#include "server/api/generation_fields.h"

#include <regex>

namespace trellis::server {
namespace {

constexpr int64_t kMostTokens = INT32_MAX;
constexpr int64_t kMostSequences = 1024;
constexpr int64_t kMostStepTokens = 65536;
constexpr size_t kMostTypeCharacters = 16;

/// Of keys and values together, or of each apart: "q8" or "q8,q4".
Field<ModelLoadOptions> cache_type_field() {
  static constexpr const char* kPattern = "^(fp16|fp32|q[2-8])(,(fp16|fp32|q[2-8]))?$";
  return value_field<ModelLoadOptions>(
      "cache_type", &ModelLoadOptions::cache_type, {{"type", "string"}, {"pattern", kPattern}},
      [](const Json& value, const std::string& path) -> Result<std::string> {
        Result<std::string> text = read_string(value, path, kMostTypeCharacters);
        if (!text.ok()) return text;
        static const std::regex pattern(kPattern);
        if (std::regex_match(text.value(), pattern)) return text;
        return invalid_value(
            path, fmt::format(
                      "{} may be fp16, fp32, q2 to q8, or a pair such as q8,q4, found \"{}\"", path,
                      text.value()
                  )
        );
      }
  );
}

/// A name that is not empty.
template <typename T>
Field<T> own_name_field() {
  return required(value_field<T>(
      "model", &T::model,
      {{"type", "string"}, {"minLength", 1}, {"maxLength", kMostNameCharacters}},
      [](const Json& value, const std::string& path) -> Result<std::string> {
        Result<std::string> name = read_string(value, path, kMostNameCharacters);
        if (name.ok() && name.value().empty()) {
          return invalid_value(path, fmt::format("{} is empty; name a model", path));
        }
        return name;
      }
  ));
}

}  // namespace

const Fields<LoadModelRequest>& load_model_request_fields() {
  using O = ModelLoadOptions;
  static const Fields<O> options = {
      integer_field("context_tokens", &O::context_tokens, 0, kMostTokens),
      integer_field("cache_tokens", &O::cache_tokens, 0, kMostTokens),
      cache_type_field(),
      integer_field("max_sequences", &O::max_sequences, 1, kMostSequences),
      integer_field("max_step_tokens", &O::max_step_tokens, 1, kMostStepTokens),
  };
  using T = LoadModelRequest;
  static const Fields<T> fields = Fields<T>{own_name_field<T>(), bool_field("stream", &T::stream)} +
                                  fields_within(&T::options, options);
  return fields;
}

const Fields<UnloadModelRequest>& unload_model_request_fields() {
  using T = UnloadModelRequest;
  static const Fields<T> fields = {own_name_field<T>(), bool_field("force", &T::force)};
  return fields;
}

}  // namespace trellis::server
