// Makes tokens that have already come less likely. Sources: Keskar et al. 2019 (CTRL) for the
// repetition penalty; the OpenAI API reference for presence and frequency; range and decay as in
// ExLlamaV3, with the fading penalty of ExLlamaV2, whose factor itself goes to 1.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/token_history.h"
#include "trellis/sampling_params.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

namespace trellis {

inline bool penalizes(const SamplingParams& params) {
  return params.repetition_penalty != 1.0f || params.presence_penalty != 0.0f ||
         params.frequency_penalty != 0.0f;
}

/// How much of the penalties a token deserves that came once, `distance` tokens ago (the last
/// token: 1): all within the range, then linearly less, none from range + decay on.
inline float penalty_strength(const SamplingParams& params, int64_t distance) {
  const int64_t outside = distance - params.penalty_range;
  if (params.penalty_range == 0 || outside <= 0) return 1.0f;
  if (outside >= params.penalty_decay) return 0.0f;
  return 1.0f - static_cast<float>(outside) / static_cast<float>(params.penalty_decay);
}

/// What the penalties do to each token that deserves any, in no order: repetition and presence by
/// its strongest occurrence, frequency by the sum of them all.
inline std::vector<TokenEdit> penalty_edits(
    const SamplingParams& params, const TokenHistory& history
) {
  std::vector<TokenEdit> edits;
  const auto add = [&](int32_t id, float strongest, float sum) {
    TokenEdit edit;
    edit.id = id;
    edit.repetition = std::lerp(1.0f, params.repetition_penalty, strongest);
    edit.penalty = params.presence_penalty * strongest + params.frequency_penalty * sum;
    edits.push_back(edit);
  };
  if (params.penalty_range == 0) {
    edits.reserve(history.counts().size());
    for (const auto& [id, count] : history.counts()) add(id, 1.0f, static_cast<float>(count));
    return edits;
  }

  struct Occurrences {
    float strongest = 0.0f;
    float sum = 0.0f;
  };
  std::unordered_map<int32_t, Occurrences> occurrences;
  const auto num_tokens = static_cast<int64_t>(history.tokens().size());
  for (int64_t distance = 1; distance <= num_tokens; ++distance) {
    const float strength = penalty_strength(params, distance);
    if (strength == 0.0f) break;
    Occurrences& of = occurrences[history.tokens()[static_cast<size_t>(num_tokens - distance)]];
    of.strongest = std::max(of.strongest, strength);
    of.sum += strength;
  }
  for (const auto& [id, of] : occurrences) add(id, of.strongest, of.sum);
  return edits;
}

/// The candidates must still be in order of their ids.
inline void apply_penalties(
    const SamplingParams& params, const TokenHistory& history, Candidates& candidates
) {
  for (const TokenEdit& edit : penalty_edits(params, history)) {
    if (static_cast<size_t>(edit.id) >= candidates.size()) continue;
    float& logit = candidates.items()[static_cast<size_t>(edit.id)].logit;
    logit = edited_logit(logit, edit);
  }
}

}  // namespace trellis
