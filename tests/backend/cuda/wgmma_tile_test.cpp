#include "backend/cuda/wgmma_tile.h"

#include "backend/cuda/exl3_layout.h"
#include "exl3/codebook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace trellis::cuda {
namespace {

constexpr int kSms = 132;  // an H100's
constexpr WgmmaTile kLargest = {256, 2};

TEST(WgmmaTile, IsTheLargestForPrompts) {
  for (const int64_t columns : {4096, 6144, 28672}) {
    EXPECT_EQ(wgmma_tile(2048, columns, 1, 4096, kSms), kLargest) << columns;
    EXPECT_EQ(wgmma_tile(8192, columns, 1, 4096, kSms), kLargest) << columns;
  }
  EXPECT_EQ(wgmma_tile(2048, 4096, 2, 7168, kSms), kLargest);
}

TEST(WgmmaTile, SpreadsFewRowsAndColumnsOverManySms) {
  EXPECT_EQ(wgmma_tile(64, 4096, 1, 4096, kSms), (WgmmaTile{64, 1}));
  EXPECT_EQ(wgmma_tile(128, 4096, 1, 4096, kSms), (WgmmaTile{64, 1}));
  EXPECT_EQ(wgmma_tile(512, 4096, 1, 4096, kSms), (WgmmaTile{256, 1}));
}

TEST(WgmmaTile, DecodesOnceWhereColumnsFillTheSms) {
  EXPECT_EQ(wgmma_tile(64, 28672, 1, 4096, kSms), (WgmmaTile{64, 2}));
  EXPECT_EQ(wgmma_tile(128, 28672, 1, 4096, kSms), (WgmmaTile{128, 2}));
  EXPECT_EQ(wgmma_tile(100, 128256, 1, 4096, kSms), (WgmmaTile{128, 2}));
}

TEST(WgmmaTile, IsThereForASingleRow) {
  EXPECT_EQ(wgmma_tile(1, 128, 1, 128, 4).rows, 64);
}

TEST(WgmmaSegments, CutLongInputsOnlyOfManyRows) {
  EXPECT_EQ(wgmma_segments(65, 32, 128, 4096), (WgmmaSegments{1, 32}));
  EXPECT_EQ(wgmma_segments(2048, 64, 128, 128), (WgmmaSegments{1, 64}));
  EXPECT_EQ(wgmma_segments(2048, 112, 128, 4096), (WgmmaSegments{2, 56}));
}

TEST(WgmmaSegments, GiveFewRowsOfFewColumnsWorkForAllSms) {
  EXPECT_EQ(wgmma_segments(64, 32, 128, 4096), (WgmmaSegments{4, 8}));
  EXPECT_EQ(wgmma_segments(17, 32, 128, 6144), (WgmmaSegments{3, 11}));
  EXPECT_EQ(wgmma_segments(32, 112, 128, 4096), (WgmmaSegments{4, 28}));
  EXPECT_EQ(wgmma_segments(64, 32, 128, 28672), (WgmmaSegments{1, 32}));
}

/// Activations are at most 1 in units of their row.
TEST(WgmmaSegments, OfManyRowsHaveSumsThatFitFp16) {
  float largest = 0.0f;
  for (int codebook = 0; codebook < exl3::kNumCodebooks; ++codebook) {
    for (uint32_t state = 0; state < exl3::kNumStates; ++state) {
      const uint16_t weight = exl3::decode(static_cast<exl3::Codebook>(codebook), state);
      largest = std::max(largest, std::abs(half_to_float(weight)));
    }
  }
  for (int bits = 1; bits <= 8; ++bits) {
    for (int64_t tiles = 8; tiles <= 2048; tiles += 8) {
      const Exl3Layout layout = {bits, tiles, 0};
      const WgmmaSegments segments =
          wgmma_segments(65, layout.chunks(), layout.chunk_inputs(), 128);
      const int inputs = segments.chunks * layout.chunk_inputs();
      ASSERT_LT(static_cast<float>(inputs) * largest, 65504.0f) << bits << " bits, tiles " << tiles;
    }
  }
}

TEST(WgmmaSegments, HaveChunksEach) {
  for (int chunks = 1; chunks < 200; ++chunks) {
    for (const int64_t columns : {128, 1024, 9000}) {
      const WgmmaSegments segments = wgmma_segments(64, chunks, 128, columns);
      EXPECT_GT(chunks, (segments.count - 1) * segments.chunks) << chunks;
      EXPECT_LE(chunks, segments.count * segments.chunks) << chunks;
      EXPECT_LE(segments.count, most_wgmma_segments(64, chunks * 128, columns)) << chunks;
    }
  }
}

}  // namespace
}  // namespace trellis::cuda
