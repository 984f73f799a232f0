#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace trellis::simt_test {
namespace {

TEST(SimtGemv, StreamedWeightsTimesAVectorIsTheNaiveProduct) {
  constexpr int kRowTiles = 5;
  constexpr int kChunks = 6;
  constexpr int kDepth = kChunks * 512;
  std::mt19937 random(13);
  std::vector<uint8_t> weights(kRowTiles * 16 * kDepth);  // row-major
  for (uint8_t& weight : weights) weight = static_cast<uint8_t>(random());
  std::vector<int8_t> x(kDepth);
  for (int8_t& value : x) value = static_cast<int8_t>(random());
  std::vector<char> fragments;
  for (int block = 0; block < kRowTiles * kChunks * 16; ++block) {
    const int tile = block / (kChunks * 16);
    const int first = block % (kChunks * 16) * 32;
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 16; ++i) {
        const int row = tile * 16 + lane / 4 + (i / 4 % 2) * 8;
        const int k = first + lane % 4 * 4 + i % 4 + i / 8 * 16;
        fragments.push_back(static_cast<char>(weights[static_cast<size_t>(row * kDepth + k)]));
      }
    }
  }
  DeviceArray<char> device_weights(fragments);
  DeviceArray<int8_t> device_x(x);
  DeviceArray<int> y(kRowTiles * 16);
  const GemvArgs args{
      .weights = device_weights.data(),
      .activations = device_x.data(),
      .y = y.data(),
      .row_tiles = kRowTiles,
      .chunks = kChunks,
  };

  ASSERT_EQ(
      run({.grid = 2, .block = kGemvThreads, .shared_bytes = kGemvSharedBytes}, gemv_u8s8, args),
      cudaSuccess
  );

  std::vector<int> expected(kRowTiles * 16);
  for (size_t i = 0; i < weights.size(); ++i) expected[i / kDepth] += weights[i] * x[i % kDepth];
  EXPECT_EQ(y.values(), expected);
}

}  // namespace
}  // namespace trellis::simt_test
