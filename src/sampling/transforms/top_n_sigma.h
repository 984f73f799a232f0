// Keeps tokens whose logit is at most n standard deviations behind the best one's: noise is normal,
// and what matters stands out of it, at any temperature. Source: Tang et al. 2024 (Top-n-sigma: not
// all logits are you need).
#pragma once

#include "sampling/candidates.h"

#include <cmath>

namespace trellis {

/// n > 0. The deviation is that of the possible candidates: the root of their variance, not of an
/// estimate.
inline void apply_top_n_sigma(float n, Candidates& candidates) {
  const float best = candidates.max_logit();
  if (!std::isfinite(best)) return;
  double count = 0.0;
  double sum = 0.0;
  double sum_of_squares = 0.0;
  for (const Candidate& item : candidates.items()) {
    if (item.logit == -INFINITY) continue;
    const double behind = static_cast<double>(best) - static_cast<double>(item.logit);
    count += 1.0;
    sum += behind;
    sum_of_squares += behind * behind;
  }
  const double mean = sum / count;
  const double variance = std::fmax(sum_of_squares / count - mean * mean, 0.0);
  const double least = static_cast<double>(best) - static_cast<double>(n) * std::sqrt(variance);
  std::erase_if(candidates.items(), [least](const Candidate& item) {
    return static_cast<double>(item.logit) < least;
  });
  candidates.forget_order();
}

}  // namespace trellis
