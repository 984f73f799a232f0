// Keeps the surprise of the answer near a target: cuts what surprises more than mu, and moves mu by
// the surprise of each token that comes. Source: Basu et al. 2021 (Mirostat), version 2 as in
// llama.cpp, whose surprise is that among the tokens that were left.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/weight_sum.h"
#include "trellis/sampling_params.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trellis {

/// mu before the first token, in bits.
inline float first_mirostat_mu(const SamplingParams& params) {
  return 2.0f * params.mirostat_tau;
}

/// Surprises are -log2 p. The most probable token stays, however small mu is.
inline void apply_mirostat(float mu, Candidates& candidates) {
  const float best = candidates.max_logit();
  const double log_total = log_weight_sum(weight_sum(candidates, best));
  const double most = static_cast<double>(mu) * std::numbers::ln2 - log_total;
  std::erase_if(candidates.items(), [&](const Candidate& item) {
    return static_cast<double>(distance_behind(best, item.logit)) > std::fmax(most, 0.0);
  });
  candidates.forget_order();
}

/// mu after this token was drawn from the candidates: mu - eta * (surprise - tau). A token that is
/// not among them leaves it as it is.
inline float next_mirostat_mu(
    const SamplingParams& params, float mu, const Candidates& candidates, int32_t token
) {
  const auto& items = candidates.items();
  const auto drawn = std::find_if(items.begin(), items.end(), [token](const Candidate& item) {
    return item.id == token;
  });
  if (drawn == items.end() || drawn->logit == -INFINITY) return mu;
  const float best = candidates.max_logit();
  const double log_total = log_weight_sum(weight_sum(candidates, best));
  const double surprise =
      (static_cast<double>(distance_behind(best, drawn->logit)) + log_total) / std::numbers::ln2;
  return mu - params.mirostat_eta * (static_cast<float>(surprise) - params.mirostat_tau);
}

}  // namespace trellis
