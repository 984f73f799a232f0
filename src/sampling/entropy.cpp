#include "sampling/entropy.h"

#include "backend/token_choice.h"
#include "sampling/weight_sum.h"

namespace trellis {

double entropy(const Candidates& candidates) {
  // The mean of -log p, where -log p = distance + log(sum of weights).
  const float best = candidates.max_logit();
  const int64_t total = weight_sum(candidates, best);
  double weighted_distances = 0.0;
  for (const Candidate& item : candidates.items()) {
    const float distance = distance_behind(best, item.logit);
    const auto weight = static_cast<double>(token_weight(distance));
    if (weight > 0.0) weighted_distances += weight * static_cast<double>(distance);
  }
  return weighted_distances / static_cast<double>(total) + log_weight_sum(total);
}

}  // namespace trellis
