// Keeps the smallest set of most probable tokens whose probability reaches p. Source: Holtzman et
// al. 2020 (nucleus).
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/weight_sum.h"

namespace trellis {

/// 0 < p < 1. At least one token stays.
inline void apply_top_p(float p, Candidates& candidates) {
  const float best = candidates.max_logit();
  const int64_t wanted = nucleus_weight(p, weight_sum(candidates, best));

  int64_t reached = 0;
  size_t kept = 0;
  // The nucleus is small as a rule: sort ever larger fronts instead of the whole vocabulary.
  for (size_t front = 64; kept < candidates.size(); front *= 8) {
    candidates.sort_front(front);
    for (; kept < std::min(front, candidates.size()); ++kept) {
      if (kept > 0 && reached >= wanted) {
        candidates.keep_front(kept);
        return;
      }
      reached += token_weight(distance_behind(best, candidates.items()[kept].logit));
    }
  }
}

}  // namespace trellis
