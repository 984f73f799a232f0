// The denominator of a softmax over a whole vocabulary.
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// The sum of token_weight() over the candidates; best: their largest logit. Within 3e-7 of exact.
int64_t weight_sum(const Candidates& candidates, float best);

}  // namespace trellis
