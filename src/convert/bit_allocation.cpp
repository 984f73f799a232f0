#include "convert/bit_allocation.h"

#include "base/error.h"
#include "exl3/trellis.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace trellis {

std::vector<int> allocate_bits(
    const std::vector<BitGroup>& groups, int64_t num_blocks, double bits
) {
  TRELLIS_CHECK(bits >= exl3::kMinBits && bits <= exl3::kMaxBits, "1 to 8 bits per weight");
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](size_t index) {
    const BitGroup& group = groups[index];
    const int64_t from_end = std::min(group.block, num_blocks - 1 - group.block);
    return std::tuple(-group.priority, from_end, group.block);
  });

  const int base = static_cast<int>(std::floor(bits));
  std::vector<int> widths(groups.size(), base);
  int64_t num_weights = 0;
  for (const BitGroup& group : groups) num_weights += group.num_weights;
  int64_t budget =
      static_cast<int64_t>(bits * static_cast<double>(num_weights)) - base * num_weights;
  for (bool raised = true; raised;) {
    raised = false;
    for (const size_t index : order) {
      if (groups[index].num_weights > budget || widths[index] == exl3::kMaxBits) continue;
      budget -= groups[index].num_weights;
      ++widths[index];
      raised = groups[index].num_weights > 0 || raised;
    }
  }
  return widths;
}

}  // namespace trellis
