// Chooses a request's next token from the model's logits.
#pragma once

#include "sampling/candidates.h"
#include "sampling/token_counts.h"
#include "trellis/sampling_params.h"

#include <cstdint>
#include <span>

namespace trellis {

/// The logits of one position, and ids that must not come.
struct SampleRequest {
  std::span<const float> logits;  // [vocab]
  std::span<const int32_t> banned;
};

/// One per request. A draw is a pure function of seed, position in the answer and logits: whatever
/// runs beside it changes nothing.
class Sampler {
 public:
  /// params must be valid (see validate.h). Ids from vocab_size on, which models pad their heads
  /// with, never come. prompt: counts as seen for the penalties.
  Sampler(const SamplingParams& params, int64_t vocab_size, std::span<const int32_t> prompt);

  /// Greedy: the most probable, the lower id on ties. Otherwise draws from what the transforms
  /// leave, by adding Gumbel noise keyed by token id (Gumbel-max). If no token is possible, the
  /// lowest id that is not banned.
  int32_t sample(const SampleRequest& request);
  /// Notes that the token was appended.
  void accept(int32_t token);

 private:
  int32_t draw() const;

  SamplingParams params_;
  int64_t vocab_size_;
  uint64_t seed_;
  uint32_t position_ = 0;
  TokenCounts counts_;
  Candidates candidates_;
};

}  // namespace trellis
