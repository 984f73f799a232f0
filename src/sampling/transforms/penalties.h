// Makes tokens that have already come less likely. Sources: Keskar et al. 2019 (CTRL) for the
// repetition penalty; the OpenAI API reference for presence and frequency.
#pragma once

#include "sampling/candidates.h"
#include "sampling/token_counts.h"
#include "trellis/sampling_params.h"

namespace trellis {

/// The candidates must still be in order of their ids.
inline void apply_penalties(
    const SamplingParams& params, const TokenCounts& counts, Candidates& candidates
) {
  for (const auto& [id, count] : counts) {
    if (static_cast<size_t>(id) >= candidates.size()) continue;
    float& logit = candidates.items()[static_cast<size_t>(id)].logit;
    logit = logit > 0.0f ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    logit -= params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
  }
}

}  // namespace trellis
