// Spreads a fractional number of bits per weight over the layers of a model: all start at the whole
// part, then groups that must move together get one bit more while the budget lasts.
#pragma once

#include <cstdint>
#include <vector>

namespace trellis {

/// Linear layers that have the same bit width, e.g. query, key and value of one block.
struct BitGroup {
  int priority = 0;  // higher is raised first: attention before MLP
  int64_t block = 0;
  int64_t num_weights = 0;
};

/// The bit width of every group, 1 to 8, such that the average is as near to bits (1 to 8) as whole
/// groups allow without exceeding it. Attention goes first, then blocks at either end of the stack.
std::vector<int> allocate_bits(
    const std::vector<BitGroup>& groups, int64_t num_blocks, double bits
);

}  // namespace trellis
