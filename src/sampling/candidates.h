// The tokens that may still come, with their logits: what the transforms work on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

struct Candidate {
  int32_t id;
  float logit;
};

/// The order of candidates: more probable first, the lower id on ties.
inline bool more_probable(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

/// Owned by one sampler and reused from token to token.
class Candidates {
 public:
  /// All ids below logits.size(); NaN counts as impossible.
  void assign(std::span<const float> logits) {
    items_.clear();
    for (size_t id = 0; id < logits.size(); ++id) {
      const float logit = std::isnan(logits[id]) ? -INFINITY : logits[id];
      items_.push_back({static_cast<int32_t>(id), logit});
    }
    num_sorted_ = 0;
  }

  std::vector<Candidate>& items() { return items_; }
  const std::vector<Candidate>& items() const { return items_; }
  size_t size() const { return items_.size(); }

  /// Brings the `count` most probable to the front, in order.
  void sort_front(size_t count) {
    count = std::min(count, items_.size());
    if (count <= num_sorted_) return;
    const auto end = items_.begin() + static_cast<std::ptrdiff_t>(count);
    if (count < items_.size()) std::nth_element(items_.begin(), end, items_.end(), more_probable);
    std::sort(items_.begin(), end, more_probable);
    num_sorted_ = count;
  }
  /// Drops all but the first `count`.
  void keep_front(size_t count) {
    if (count < items_.size()) items_.resize(count);
    num_sorted_ = std::min(num_sorted_, items_.size());
  }
  /// Call after changing the order or the logits of items().
  void forget_order() { num_sorted_ = 0; }

  float max_logit() const {
    float best = -INFINITY;
    for (const Candidate& item : items_) best = std::max(best, item.logit);
    return best;
  }

 private:
  std::vector<Candidate> items_;
  size_t num_sorted_ = 0;
};

}  // namespace trellis
