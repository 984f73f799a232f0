// Adds a client's bias to the logits of chosen tokens.
#pragma once

#include "sampling/candidates.h"
#include "trellis/sampling_params.h"

namespace trellis {

/// The candidates must still be in order of their ids.
inline void apply_logit_bias(const SamplingParams& params, Candidates& candidates) {
  for (const auto& [id, bias] : params.logit_bias) {
    if (static_cast<size_t>(id) < candidates.size()) {
      candidates.items()[static_cast<size_t>(id)].logit += bias;
    }
  }
}

}  // namespace trellis
