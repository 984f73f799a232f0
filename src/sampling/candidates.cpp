#include "sampling/candidates.h"

#include "sampling/largest.h"

namespace trellis {

void Candidates::assign(std::span<const float> logits) {
  items_.resize(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) {
    const float logit = logits[id];
    items_[id] = {static_cast<int32_t>(id), logit == logit ? logit : -INFINITY};
  }
  num_sorted_ = 0;
}

void Candidates::sort_front(size_t count) {
  count = std::min(count, items_.size());
  if (count <= num_sorted_) return;
  // The front is among the few that are nearly as probable as the first: selecting those takes one
  // pass, which selecting by rank does not.
  const auto begin = items_.begin();
  auto end = items_.end();
  const float best = max_logit();
  for (float distance = 4.0f; count < items_.size() / 8 && distance < 1e4f; distance *= 2) {
    const float least = best - distance;
    end = std::partition(begin, items_.end(), [least](const Candidate& item) {
      return item.logit >= least;
    });
    if (end - begin >= static_cast<std::ptrdiff_t>(count)) break;
    end = items_.end();
  }
  const auto middle = begin + static_cast<std::ptrdiff_t>(count);
  if (middle < end) std::nth_element(begin, middle, end, more_probable);
  std::sort(begin, middle, more_probable);
  num_sorted_ = count;
}

float Candidates::max_logit() const {
  return largest(items_.size(), [this](size_t i) { return items_[i].logit; });
}

}  // namespace trellis
