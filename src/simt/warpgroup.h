// wgmma: products that four warps start together and whose results are in the accumulators only
// after the warps have waited for them. Here they are computed in the wait, so that reading the
// accumulators, or overwriting B, too early shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

/// One lane's part of a wgmma: its accumulators, and the operands, which all lanes name alike but
/// for the fragment of A.
struct WarpgroupProduct {
  float* d;
  int columns;
  uint32_t a[4];  // the fragment, unless A is in shared memory
  uint64_t a_descriptor;
  uint64_t b_descriptor;
  bool a_is_shared;   // and K-major
  bool b_is_n_major;  // or K-major
  bool adds;          // to the accumulators, or overwrites them
};

/// The products that one thread has started and not waited for.
class WarpgroupProducts {
 public:
  void start(const WarpgroupProduct& product) { products_.push_back(product); }
  void commit() { group_ends_.push_back(products_.size()); }

  /// How many products a wait for all but `pending` groups has to finish.
  std::size_t due(std::size_t pending) const {
    return group_ends_.size() <= pending ? 0 : group_ends_[group_ends_.size() - 1 - pending];
  }
  const WarpgroupProduct& product(std::size_t index) const { return products_[index]; }

  /// Forgets the first `count` products and the groups they make up.
  void drop(std::size_t count);

  bool any() const { return !products_.empty(); }
  void clear();

 private:
  std::vector<WarpgroupProduct> products_;
  std::vector<std::size_t> group_ends_;  // into products_
};

}  // namespace simt
