// Keeps the smallest set of most probable tokens whose probability reaches p. Source: Holtzman et
// al. 2020 (nucleus).
#pragma once

#include "sampling/candidates.h"
#include "sampling/exp_sum.h"

namespace trellis {

/// 0 < p < 1. At least one token stays.
inline void apply_top_p(float p, Candidates& candidates) {
  const float best = candidates.max_logit();
  const double wanted = static_cast<double>(p) * exp_sum(candidates, best);

  double reached = 0.0;
  size_t kept = 0;
  // The nucleus is small as a rule: sort ever larger fronts instead of the whole vocabulary.
  for (size_t front = 64; kept < candidates.size(); front *= 8) {
    candidates.sort_front(front);
    for (; kept < std::min(front, candidates.size()); ++kept) {
      if (kept > 0 && reached >= wanted) {
        candidates.keep_front(kept);
        return;
      }
      reached += std::exp(static_cast<double>(candidates.items()[kept].logit) - best);
    }
  }
}

}  // namespace trellis
