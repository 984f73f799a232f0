// Excludes top choices: with some probability, all tokens above a threshold but the least probable
// of them, so that the less obvious comes. Source: Weidmann 2024 (text-generation-webui#6335); the
// tokens are those of llama.cpp, none is exempt. As in ExLlamaV3 no coin is thrown: the logits
// become those of the mixture of both outcomes, which is the same distribution.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/weight_sum.h"

#include <algorithm>
#include <cmath>

namespace trellis {

/// 0 < probability <= 1, 0 < threshold <= 1; above 1/2 no two tokens reach it.
inline void apply_xtc(float probability, float threshold, Candidates& candidates) {
  const float best = candidates.max_logit();
  const auto total = static_cast<double>(weight_sum(candidates, best));
  const auto weight = [best](const Candidate& item) {
    return static_cast<double>(token_weight(distance_behind(best, item.logit)));
  };
  const double least = static_cast<double>(threshold) * total;
  const auto& items = candidates.items();
  const auto num_above = std::count_if(items.begin(), items.end(), [&](const Candidate& item) {
    return weight(item) >= least;
  });
  if (num_above < 2) return;

  const auto num_excluded = static_cast<size_t>(num_above - 1);
  candidates.sort_front(static_cast<size_t>(num_above));
  double excluded = 0.0;
  for (size_t i = 0; i < num_excluded; ++i) excluded += weight(items[i]);
  // With q the probability and R the part of the weights that is not excluded, an excluded token
  // has p (1 - q), another p (1 - q + q / R). Only the ratio counts.
  const double left = 1.0 - excluded / total;
  const auto q = static_cast<double>(probability);
  const auto change = static_cast<float>(std::log((1.0 - q) * left / ((1.0 - q) * left + q)));
  for (size_t i = 0; i < num_excluded; ++i) candidates.items()[i].logit += change;
  candidates.forget_order();
}

}  // namespace trellis
