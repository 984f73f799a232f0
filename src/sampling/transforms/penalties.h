// Makes tokens that have already come less likely. Sources: Keskar et al. 2019 (CTRL) for the
// repetition penalty; the OpenAI API reference for presence and frequency.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/token_counts.h"
#include "trellis/sampling_params.h"

namespace trellis {

inline bool penalizes(const SamplingParams& params) {
  return params.repetition_penalty != 1.0f || params.presence_penalty != 0.0f ||
         params.frequency_penalty != 0.0f;
}

/// What the penalties do to a token that has come `count` times.
inline TokenEdit penalty_edit(const SamplingParams& params, int32_t id, int32_t count) {
  TokenEdit edit;
  edit.id = id;
  edit.repetition = params.repetition_penalty;
  edit.penalty = params.presence_penalty + params.frequency_penalty * static_cast<float>(count);
  return edit;
}

/// The candidates must still be in order of their ids.
inline void apply_penalties(
    const SamplingParams& params, const TokenCounts& counts, Candidates& candidates
) {
  for (const auto& [id, count] : counts) {
    if (static_cast<size_t>(id) >= candidates.size()) continue;
    float& logit = candidates.items()[static_cast<size_t>(id)].logit;
    logit = edited_logit(logit, penalty_edit(params, id, count));
  }
}

}  // namespace trellis
