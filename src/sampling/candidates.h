// The tokens that may still come, with their logits: what the transforms work on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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
  void assign(std::span<const float> logits);

  std::vector<Candidate>& items() { return items_; }
  const std::vector<Candidate>& items() const { return items_; }
  size_t size() const { return items_.size(); }

  /// Brings the `count` most probable to the front, in order; the others follow in any.
  void sort_front(size_t count);
  /// Drops all but the first `count`.
  void keep_front(size_t count) {
    if (count < items_.size()) items_.resize(count);
    num_sorted_ = std::min(num_sorted_, items_.size());
  }
  /// Call after changing the order or the logits of items().
  void forget_order() { num_sorted_ = 0; }

  /// -infinity where no candidate is possible.
  float max_logit() const;

 private:
  std::vector<Candidate> items_;
  size_t num_sorted_ = 0;
};

}  // namespace trellis
