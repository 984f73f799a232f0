// How the next token is chosen from the model's logits: what a client may set per request.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// What cuts or reshapes the distribution, in the default order. Each takes what the one before it
/// leaves.
enum class SamplingStep : uint8_t {
  kTemperature,
  kTopNSigma,
  kTopK,
  kTypicalP,
  kTopP,
  kMinP,
  kXtc,
  kMirostat
};

/// The parameter that names the step, or its family: "temperature", "top_k", "xtc" and so on.
std::string_view sampling_step_name(SamplingStep step);
/// Nothing for another name.
std::optional<SamplingStep> parse_sampling_step(std::string_view name);

/// Defaults leave the model's distribution as it is. Invalid values are refused by validate(), see
/// sampling/.
struct SamplingParams {
  float temperature = 1.0f;           // 0 = greedy: the most probable token, the lowest id on ties
  float temperature_range = 0.0f;     // the temperature goes that far up and down with the entropy
  float temperature_exponent = 1.0f;  // of the entropy's part of the largest one
  float top_n_sigma = 0.0f;  // keep logits at most n standard deviations behind the best; 0 = all
  int top_k = 0;             // keep the k most probable; 0 = all
  float typical_p = 1.0f;    // keep the tokens nearest to the expected surprise that reach p
  float top_p = 1.0f;        // keep the smallest set whose probability reaches p
  float min_p = 0.0f;        // keep tokens at least min_p times as probable as the best
  float xtc_probability = 0.0f;  // that often, all top choices but the last are excluded; 0 = off
  float xtc_threshold = 0.1f;    // probability from which on a token is a top choice
  float mirostat_tau = 0.0f;     // target of the surprise of each token, in bits; 0 = off
  float mirostat_eta = 0.1f;     // how fast its bound follows
  std::vector<SamplingStep> sampler_order;  // these come first, the others in the default order
  float repetition_penalty =
      1.0f;  // > 1 divides positive and multiplies negative logits of tokens seen so far
  float presence_penalty = 0.0f;   // subtracted once from the logits of tokens seen so far
  float frequency_penalty = 0.0f;  // subtracted per occurrence
  int penalty_range = 0;           // the three above look at that many last tokens; 0 = all
  int penalty_decay = 0;           // and fade out over that many tokens before those
  float dry_multiplier = 0.0f;     // a token that prolongs a repetition of n tokens loses
  float dry_base = 1.75f;          // multiplier * base^(n - allowed length); 0 = off
  int dry_allowed_length = 2;      // shorter repetitions cost nothing
  int dry_range = 0;               // repetitions within that many last tokens; 0 = all
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};  // no repetition goes across a
                                                                   // token that contains one
  std::set<int32_t> dry_breaker_ids;    // nor across these; the engine adds those of dry_breakers
  int no_repeat_ngram_size = 0;         // no n-gram of this size comes twice; 0 = off
  std::vector<int32_t> banned_tokens;   // ids that never come
  std::map<int32_t, float> logit_bias;  // added to the logits of these ids
  std::optional<uint64_t>
      seed;  // the same seed gives the same tokens, whatever runs beside it; none = random
};

}  // namespace trellis
