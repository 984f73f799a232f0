#include "backend/cuda/product_tile.h"

#include "backend/cuda/exl3_layout.h"
#include "exl3/codebook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace trellis::cuda {
namespace {

constexpr int kSms = 132;  // an H100's
constexpr ProductTile kLargest = {ProductKernel::kWgmma, 256, 2};

TEST(ProductTile, IsTheLargestForPrompts) {
  for (const int64_t columns : {4096, 6144, 28672}) {
    EXPECT_EQ(wgmma_tile(2048, columns, 1, 4096, kSms), kLargest) << columns;
    EXPECT_EQ(wgmma_tile(8192, columns, 1, 4096, kSms), kLargest) << columns;
  }
  EXPECT_EQ(wgmma_tile(2048, 4096, 2, 7168, kSms), kLargest);
}

TEST(ProductTile, SpreadsFewRowsAndColumnsOverManySms) {
  EXPECT_EQ(wgmma_tile(64, 4096, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 64, 1}));
  EXPECT_EQ(wgmma_tile(128, 4096, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 64, 1}));
  EXPECT_EQ(wgmma_tile(512, 4096, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 256, 1}));
}

TEST(ProductTile, DecodesOnceWhereColumnsFillTheSms) {
  EXPECT_EQ(wgmma_tile(64, 28672, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 64, 2}));
  EXPECT_EQ(wgmma_tile(128, 28672, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 128, 2}));
  EXPECT_EQ(wgmma_tile(100, 128256, 1, 4096, kSms), (ProductTile{ProductKernel::kWgmma, 128, 2}));
}

TEST(ProductTile, IsThereForASingleRow) {
  EXPECT_EQ(wgmma_tile(1, 128, 1, 128, 4).rows, 64);
}

TEST(ProductTile, ByMmaHasAsManyRowsAsThereAreUpTo128) {
  EXPECT_EQ(mma_tile(1), (ProductTile{ProductKernel::kMma, 64, 2}));
  EXPECT_EQ(mma_tile(64), (ProductTile{ProductKernel::kMma, 64, 2}));
  EXPECT_EQ(mma_tile(65), (ProductTile{ProductKernel::kMma, 128, 2}));
}

TEST(ProductSegments, CutLongInputsOnlyOfManyRows) {
  EXPECT_EQ(product_segments(65, 32, 128, 4096), (ProductSegments{1, 32}));
  EXPECT_EQ(product_segments(2048, 64, 128, 128), (ProductSegments{1, 64}));
  EXPECT_EQ(product_segments(2048, 112, 128, 4096), (ProductSegments{2, 56}));
}

TEST(ProductSegments, GiveFewRowsOfFewColumnsWorkForAllSms) {
  EXPECT_EQ(product_segments(64, 32, 128, 4096), (ProductSegments{4, 8}));
  EXPECT_EQ(product_segments(17, 32, 128, 6144), (ProductSegments{3, 11}));
  EXPECT_EQ(product_segments(32, 112, 128, 4096), (ProductSegments{4, 28}));
  EXPECT_EQ(product_segments(64, 32, 128, 28672), (ProductSegments{1, 32}));
}

/// Activations are at most 1 in units of their row.
TEST(ProductSegments, OfManyRowsHaveSumsThatFitFp16) {
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
      const ProductSegments segments =
          product_segments(65, layout.chunks(), layout.chunk_inputs(), 128);
      const int inputs = segments.chunks * layout.chunk_inputs();
      ASSERT_LT(static_cast<float>(inputs) * largest, 65504.0f) << bits << " bits, tiles " << tiles;
    }
  }
}

TEST(ProductSegments, HaveChunksEach) {
  for (int chunks = 1; chunks < 200; ++chunks) {
    for (const int64_t columns : {128, 1024, 9000}) {
      const ProductSegments segments = product_segments(64, chunks, 128, columns);
      EXPECT_GT(chunks, (segments.count - 1) * segments.chunks) << chunks;
      EXPECT_LE(chunks, segments.count * segments.chunks) << chunks;
      EXPECT_LE(segments.count, most_product_segments(64, chunks * 128, columns)) << chunks;
    }
  }
}

}  // namespace
}  // namespace trellis::cuda
