// Flattens (above 1) or sharpens (below 1) the distribution.
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// temperature > 0; greedy choice is not a temperature but another path, see Sampler.
inline void apply_temperature(float temperature, Candidates& candidates) {
  for (Candidate& item : candidates.items()) item.logit /= temperature;
}

}  // namespace trellis
