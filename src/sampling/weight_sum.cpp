#include "sampling/weight_sum.h"

#include <array>

namespace trellis {

int64_t weight_sum(const Candidates& candidates, float best) {
  // Side by side, which a compiler turns into vectors.
  constexpr size_t kBlock = 16;
  const std::vector<Candidate>& items = candidates.items();
  int64_t total = 0;
  size_t i = 0;
  for (; i + kBlock <= items.size(); i += kBlock) {
    std::array<float, kBlock> distance{};
    for (size_t j = 0; j < kBlock; ++j) distance[j] = distance_behind(best, items[i + j].logit);
    for (size_t j = 0; j < kBlock; ++j) distance[j] = scaled_weight(distance[j]);
    for (size_t j = 0; j < kBlock; ++j) total += static_cast<int64_t>(distance[j]);
  }
  for (; i < items.size(); ++i) total += token_weight(distance_behind(best, items[i].logit));
  return total;
}

}  // namespace trellis
