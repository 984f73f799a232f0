// Keeps the smallest set of most probable tokens whose probability reaches p. Source: Holtzman et
// al. 2020 (nucleus).
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// 0 < p < 1. At least one token stays.
inline void apply_top_p(float p, Candidates& candidates) {
  const double best = candidates.max_logit();
  double total = 0.0;
  for (const Candidate& item : candidates.items()) total += std::exp(item.logit - best);
  const double wanted = static_cast<double>(p) * total;

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
      reached += std::exp(candidates.items()[kept].logit - best);
    }
  }
}

}  // namespace trellis
