// The denominator of a softmax over a whole vocabulary.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"

#include <cmath>

namespace trellis {

/// The sum of token_weight() over the candidates; best: their largest logit. Within 3e-7 of exact.
int64_t weight_sum(const Candidates& candidates, float best);

/// log(sum of exp(logit - best)) of such a sum: -log p is a logit's distance behind the best and
/// this.
inline double log_weight_sum(int64_t sum) {
  return std::log(static_cast<double>(sum) / static_cast<double>(kWeightOne));
}

}  // namespace trellis
