// Keeps tokens at least min_p times as probable as the most probable one. Source: Nguyen et al.
// 2024.
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// 0 < min_p <= 1.
inline void apply_min_p(float min_p, Candidates& candidates) {
  const float threshold = candidates.max_logit() + std::log(min_p);
  std::erase_if(candidates.items(), [&](const Candidate& item) { return item.logit < threshold; });
  candidates.forget_order();
}

}  // namespace trellis
