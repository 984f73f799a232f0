#include "exl3/tile_order.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace trellis::exl3 {
namespace {

TEST(TileOrder, FirstStepsAreThoseOfTheFormatDescription) {
  const std::array<std::pair<int, int>, 9> expected = {
      {{0, 0}, {1, 0}, {8, 0}, {9, 0}, {0, 8}, {1, 8}, {8, 8}, {9, 8}, {2, 0}}
  };

  for (int step = 0; step < 9; ++step) {
    const TilePosition position = position_of_step(step);
    EXPECT_EQ(std::make_pair(position.row, position.column), expected[static_cast<size_t>(step)]);
  }
}

TEST(TileOrder, RowsStartAsInTheFormatDescription) {
  const std::array<int, 16> row_0 = {0, 32, 64, 96,  128, 160, 192, 224,
                                     4, 36, 68, 100, 132, 164, 196, 228};

  for (int column = 0; column < kTileSize; ++column) {
    const int step = row_0[static_cast<size_t>(column)];
    EXPECT_EQ(step_of_position(0, column), step);
    EXPECT_EQ(step_of_position(1, column), step + 1);
    EXPECT_EQ(step_of_position(8, column), step + 2);
    EXPECT_EQ(step_of_position(9, column), step + 3);
    EXPECT_EQ(step_of_position(2, column), step + 8);
  }
}

TEST(TileOrder, EveryPositionHasOneStepAndBack) {
  std::set<int> seen;

  for (int step = 0; step < 256; ++step) {
    const TilePosition position = position_of_step(step);
    ASSERT_EQ(step_of_position(position.row, position.column), step);
    seen.insert(16 * position.row + position.column);
  }

  EXPECT_EQ(seen.size(), 256u);
  EXPECT_EQ(*seen.begin(), 0);
  EXPECT_EQ(*seen.rbegin(), 255);
}

TEST(TileOrder, TablesAreInverseToEachOther) {
  for (size_t step = 0; step < 256; ++step) {
    ASSERT_EQ(kStepOfPosition[kPositionOfStep[step]], step);
  }
}

TEST(TileOrder, LaneHoldsTheTensorCoreFragmentOfItsColumn) {
  // The B operand of a 16x8x16 product: lane l has column l / 4 and rows 2(l % 4) + {0, 1, 8, 9}.
  const std::array<int, 4> row_offsets = {0, 1, 8, 9};

  for (int step = 0; step < 256; ++step) {
    const int lane = step / 8;
    const int fragment = step % 8;
    const TilePosition position = position_of_step(step);
    ASSERT_EQ(position.row, 2 * (lane % 4) + row_offsets[static_cast<size_t>(fragment % 4)]);
    ASSERT_EQ(position.column, lane / 4 + (fragment >= 4 ? 8 : 0));
  }
}

}  // namespace
}  // namespace trellis::exl3
