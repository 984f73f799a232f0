#include "checkpoint/generation_config.h"

#include "base/error.h"
#include "checkpoint/token_ids.h"

#include <algorithm>

namespace trellis {
namespace {

/// A number within [minimum, maximum], or fallback where the file has none.
float number_or(
    const JsonObject& root, const char* key, double minimum, double maximum, float fallback
) {
  const auto value = root.optional_number(key);
  if (!value) return fallback;
  if (*value < minimum || *value > maximum) {
    throw UserError(
        "{} must be between {} and {}, found {}", root.where(key), minimum, maximum, *value
    );
  }
  return static_cast<float>(*value);
}

SamplingParams read_sampling(const JsonObject& root) {
  constexpr double kMostTemperature = 100.0;
  constexpr double kLeast = 1e-6;  // of what must not be zero
  constexpr double kMostPenalty = 100.0;
  SamplingParams sampling;
  sampling.temperature =
      number_or(root, "temperature", 0.0, kMostTemperature, sampling.temperature);
  // Some write -1 for "all", which is 0 here.
  const int64_t top_k = root.optional_int("top_k", -1, INT32_MAX).value_or(sampling.top_k);
  sampling.top_k = static_cast<int>(std::max<int64_t>(top_k, 0));
  sampling.top_p = number_or(root, "top_p", kLeast, 1.0, sampling.top_p);
  sampling.min_p = number_or(root, "min_p", 0.0, 1.0, sampling.min_p);
  sampling.typical_p = number_or(root, "typical_p", kLeast, 1.0, sampling.typical_p);
  sampling.repetition_penalty =
      number_or(root, "repetition_penalty", kLeast, kMostPenalty, sampling.repetition_penalty);
  sampling.no_repeat_ngram_size =
      static_cast<int>(root.optional_int("no_repeat_ngram_size", 0, INT32_MAX).value_or(0));
  if (!root.optional_bool("do_sample").value_or(true)) sampling.temperature = 0.0f;
  return sampling;
}

}  // namespace

GenerationConfig parse_generation_config(const Json& document, const std::string& origin) {
  const JsonObject root(document, origin);
  GenerationConfig config;
  config.bos_token_id = read_token_id(root, "bos_token_id");
  config.eos_token_ids = read_token_ids(root, "eos_token_id");
  config.sampling = read_sampling(root);
  return config;
}

GenerationConfig read_generation_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  return parse_generation_config(read_json_file(path), path.string());
}

}  // namespace trellis
