#include "convert/bit_allocation.h"

#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

/// The groups of a four-block model: query + key + value, output, gate + up, down; as many weights
/// as the blocks of tests/data/models/tiny-1m have.
std::vector<BitGroup> four_blocks() {
  std::vector<BitGroup> groups;
  for (int64_t block = 0; block < 4; ++block) {
    groups.push_back({2, block, 3 * 16384});
    groups.push_back({2, block, 16384});
    groups.push_back({0, block, 2 * 49152});
    groups.push_back({0, block, 49152});
  }
  return groups;
}

TEST(BitAllocation, GivesWholeNumbersToEveryGroup) {
  EXPECT_EQ(allocate_bits(four_blocks(), 4, 3.0), std::vector<int>(16, 3));
  EXPECT_EQ(allocate_bits(four_blocks(), 4, 8.0), std::vector<int>(16, 8));
}

TEST(BitAllocation, EqualsTheReferenceConverterAtTwoAndAHalfBits) {
  // The widths that ExLlamaV3 v1.4.1 gave this very model.
  const std::vector<int> expected = {3, 4, 3, 3, 3, 3, 2, 2, 3, 3, 2, 2, 3, 3, 2, 2};

  EXPECT_EQ(allocate_bits(four_blocks(), 4, 2.5), expected);
}

TEST(BitAllocation, SpendsTheBudgetButNoMore) {
  constexpr uint32_t kSeed = 12;
  std::mt19937 random(kSeed);
  for (int trial = 0; trial < 100; ++trial) {
    const int64_t num_blocks = 1 + random() % 6;
    std::vector<BitGroup> groups;
    for (int64_t block = 0; block < num_blocks; ++block) {
      groups.push_back({2, block, 16384 * (1 + static_cast<int64_t>(random() % 8))});
      groups.push_back({0, block, 16384 * (1 + static_cast<int64_t>(random() % 8))});
    }
    const double bits = 1.0 + static_cast<double>(random() % 701) / 100.0;

    const std::vector<int> widths = allocate_bits(groups, num_blocks, bits);

    double spent = 0.0;
    double total = 0.0;
    double smallest = 1e18;
    for (size_t index = 0; index < groups.size(); ++index) {
      const auto size = static_cast<double>(groups[index].num_weights);
      ASSERT_GE(widths[index], 1);
      ASSERT_LE(widths[index], 8);
      spent += widths[index] * size;
      total += size;
      if (widths[index] < 8) smallest = std::min(smallest, size);
    }
    ASSERT_LE(spent, bits * total) << "seed " << kSeed << ", trial " << trial;
    // Another bit for the smallest group would no longer fit.
    ASSERT_GT(spent + smallest, bits * total - 1) << "seed " << kSeed << ", trial " << trial;
  }
}

}  // namespace
}  // namespace trellis
