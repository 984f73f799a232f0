// How well one row of logits predicts a token, and how far it is from a reference's. All in nats,
// in double.
#pragma once

#include <cstdint>
#include <span>

namespace trellis {

/// Sums over scored positions.
struct ScoreSum {
  int64_t positions = 0;
  double nll = 0;            // of the tokens that came
  double reference_nll = 0;  // the same, by the reference
  double kl_divergence = 0;  // KL(reference || model)
  int64_t agreements = 0;    // positions where both find the same token the most probable

  ScoreSum& operator+=(const ScoreSum& other);
};

/// logits [vocab]; target is inside it. One position, without a reference.
ScoreSum score(std::span<const float> logits, int32_t target);

/// The same beside a reference's logits [vocab]. Of equally probable tokens the lowest id counts as
/// the first.
ScoreSum score(std::span<const float> logits, std::span<const float> reference, int32_t target);

}  // namespace trellis
