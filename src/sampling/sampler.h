// Chooses a request's next token from the model's logits.
#pragma once

#include "backend/token_choice.h"
#include "base/token_mask.h"
#include "sampling/candidates.h"
#include "sampling/sampling_state.h"
#include "trellis/sampling_params.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace trellis {

/// The logits of one position, and what may come there, beside SamplingParams::banned_tokens.
struct SampleRequest {
  std::span<const float> logits;       // [vocab]
  std::span<const int32_t> banned;     // ids that must not come
  const TokenMask* allowed = nullptr;  // null: all others may come
};

/// One per request. A draw is a pure function of seed, position in the answer and logits: whatever
/// runs beside it changes nothing.
class Sampler {
 public:
  /// params must be valid (see validate.h). Ids from vocab_size on, which models pad their heads
  /// with, never come. prompt: counts as seen for the penalties.
  Sampler(const SamplingParams& params, int64_t vocab_size, std::span<const int32_t> prompt);

  /// Greedy: the most probable, the lower id on ties. Otherwise draws from what the transforms
  /// leave, by adding Gumbel noise keyed by token id (Gumbel-max). If no token is possible,
  /// lowest_allowed(), and -1 if all that are allowed are banned.
  int32_t sample(const SampleRequest& request);

  /// Whether a device can choose for this request: every transform that it asks for is known there.
  bool suits_device() const;
  /// What lets a device make the choice of sample() from its row of a step's logits. Appends the
  /// edits of that row.
  TokenChoice device_choice(
      int32_t row, std::span<const int32_t> banned, std::vector<TokenEdit>& edits
  ) const;
  /// The choice where no token is possible: the lowest id that is not banned.
  int32_t lowest_allowed(std::span<const int32_t> banned) const;

  /// Notes that the token was appended: what sample() or a device chose, once after each.
  void accept(int32_t token);
  /// Leaves nothing but this token to be accepted, in place of sample().
  void expect(int32_t token);
  /// The same for a token that came without a choice, since no other might.
  void accept_forced(int32_t token);
  /// Takes back the last `count` tokens that were accepted, as if they had not come.
  void take_back(size_t count);

 private:
  bool is_banned(std::span<const int32_t> banned, int32_t id) const;
  int32_t lowest_possible(const SampleRequest& request) const;
  /// Nothing where no candidate is possible.
  std::optional<int32_t> draw() const;

  SamplingParams params_;
  int64_t vocab_size_;
  uint64_t seed_;
  uint32_t position_ = 0;
  SamplingState state_;
  std::vector<float> earlier_mus_;  // state_.mirostat_mu before each token
  Candidates candidates_;
};

}  // namespace trellis
