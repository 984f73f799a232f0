#include "backend/cuda/wgmma_tile.h"

#include <gtest/gtest.h>

namespace trellis::cuda {
namespace {

constexpr int kSms = 132;  // an H100's
constexpr WgmmaTile kLargest = {256, 2};

TEST(WgmmaTile, IsTheLargestForPrompts) {
  for (const int64_t columns : {4096, 6144, 28672}) {
    EXPECT_EQ(wgmma_tile(2048, columns, 1, kSms), kLargest) << columns;
    EXPECT_EQ(wgmma_tile(8192, columns, 1, kSms), kLargest) << columns;
  }
}

TEST(WgmmaTile, SpreadsFewRowsAndColumnsOverManySms) {
  EXPECT_EQ(wgmma_tile(64, 4096, 1, kSms), (WgmmaTile{64, 1}));
  EXPECT_EQ(wgmma_tile(128, 4096, 1, kSms), (WgmmaTile{64, 1}));
}

TEST(WgmmaTile, DecodesOnceWhereColumnsFillTheSms) {
  EXPECT_EQ(wgmma_tile(64, 28672, 1, kSms).rows, 64);
  EXPECT_EQ(wgmma_tile(128, 28672, 1, kSms), (WgmmaTile{128, 2}));
  EXPECT_EQ(wgmma_tile(100, 128256, 1, kSms), (WgmmaTile{128, 2}));
}

TEST(WgmmaTile, SpreadsSegmentsOfTheInputsWhereSmsWouldIdle) {
  const int segments = wgmma_segments(14336);

  EXPECT_EQ(segments, 2);
  EXPECT_EQ(wgmma_tile(64, 4096, segments, kSms), (WgmmaTile{64, 1, true}));
  EXPECT_EQ(wgmma_tile(1024, 4096, segments, kSms), kLargest);
  EXPECT_EQ(wgmma_tile(2048, 4096, segments, kSms), kLargest);
  EXPECT_EQ(wgmma_segments(8192), 1);
}

TEST(WgmmaTile, IsThereForASingleRow) {
  EXPECT_EQ(wgmma_tile(1, 128, 1, 4).rows, 64);
}

}  // namespace
}  // namespace trellis::cuda
