#include "backend/cuda/wgmma_tile.h"

#include <gtest/gtest.h>

namespace trellis::cuda {
namespace {

constexpr int kSms = 132;  // an H100's
constexpr WgmmaTile kLargest = {256, 2};

TEST(WgmmaTile, IsTheLargestForPrompts) {
  for (const int64_t columns : {4096, 6144, 28672}) {
    EXPECT_EQ(wgmma_tile(2048, columns, kSms), kLargest) << columns;
    EXPECT_EQ(wgmma_tile(8192, columns, kSms), kLargest) << columns;
  }
}

TEST(WgmmaTile, SpreadsFewRowsAndColumnsOverManySms) {
  EXPECT_EQ(wgmma_tile(64, 4096, kSms), (WgmmaTile{64, 1}));
  EXPECT_EQ(wgmma_tile(128, 4096, kSms), (WgmmaTile{64, 1}));
}

TEST(WgmmaTile, DecodesOnceWhereColumnsFillTheSms) {
  EXPECT_EQ(wgmma_tile(64, 28672, kSms).rows, 64);
  EXPECT_EQ(wgmma_tile(128, 28672, kSms), (WgmmaTile{128, 2}));
  EXPECT_EQ(wgmma_tile(100, 128256, kSms), (WgmmaTile{128, 2}));
}

TEST(WgmmaTile, IsThereForASingleRow) {
  EXPECT_EQ(wgmma_tile(1, 128, 4).rows, 64);
}

}  // namespace
}  // namespace trellis::cuda
