// Excludes top choices: with some probability, all tokens above a threshold but the least probable
// of them, so that the less obvious comes. Source: Weidmann 2024 (text-generation-webui#6335); the
// tokens are those of llama.cpp, none is exempt. As in ExLlamaV3 no coin is thrown: the logits
// become those of the mixture of both outcomes, which is the same distribution.
#pragma once

#include "backend/token_choice.h"
#include "sampling/candidates.h"
#include "sampling/weight_sum.h"

#include <cmath>

namespace trellis {

/// 0 < probability <= 1, 0 < threshold <= 1; above 1/2 no two tokens reach it.
inline void apply_xtc(float probability, float threshold, Candidates& candidates) {
  const float best = candidates.max_logit();
  const auto total = static_cast<double>(weight_sum(candidates, best));
  const auto weight = [best](const Candidate& item) {
    return static_cast<double>(token_weight(distance_behind(best, item.logit)));
  };
  const auto& items = candidates.items();
  // No more than 1 / threshold tokens can reach it.
  const double most_above = std::ceil(1.0 / static_cast<double>(threshold));
  const auto num_sorted =
      static_cast<size_t>(std::fmin(most_above, static_cast<double>(items.size())));
  candidates.sort_front(num_sorted);
  size_t num_above = 0;
  while (num_above < num_sorted &&
         weight(items[num_above]) >= static_cast<double>(threshold) * total) {
    ++num_above;
  }
  if (num_above < 2) return;

  const size_t num_excluded = num_above - 1;
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
