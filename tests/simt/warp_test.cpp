#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <vector>

namespace trellis::simt_test {
namespace {

TEST(SimtWarp, ShufflesReachTheLaneThatTheIsaNames) {
  std::vector<uint64_t> in(32);
  for (size_t i = 0; i < 32; ++i) in[i] = 0x123456789ABC0000u + i;
  DeviceArray<uint64_t> device_in(in);
  DeviceArray<uint64_t> out(32 * kShuffleWords);

  ASSERT_EQ(run({}, shuffle_every_way, device_in.data(), out.data()), cudaSuccess);

  const std::vector<uint64_t> got = out.values();
  for (unsigned lane = 0; lane < 32; ++lane) {
    SCOPED_TRACE(lane);
    const uint64_t* own = &got[lane * kShuffleWords];
    EXPECT_EQ(own[0], in[5]);
    EXPECT_EQ(own[1], in[lane < 3 ? lane : lane - 3]);
    EXPECT_EQ(own[2], in[lane > 28 ? lane : lane + 3]);
    EXPECT_EQ(own[3], in[lane ^ 9u]);
    EXPECT_EQ(own[4], in[lane / 8 * 8 + 1]);
    EXPECT_EQ(own[5], 11u);
    EXPECT_EQ(own[6], 2 * (lane < 3 ? lane : lane - 3) + 1);
    EXPECT_EQ(own[7], 2 * (lane % 16 > 12 ? lane : lane + 3) + 1);
    // Beyond the segment of eight: an earlier segment can be read, a later one cannot.
    const unsigned target = lane ^ 9u;
    EXPECT_EQ(own[8], 2 * (target / 8 > lane / 8 ? lane : target) + 1);
    EXPECT_EQ(own[9], 2 * (lane % 8 < 3 ? lane : lane - 3) + 1);
  }
}

TEST(SimtWarp, PartsOfAWarpWorkApart) {
  std::vector<int> in(32);
  std::iota(in.begin(), in.end(), 100);
  DeviceArray<int> device_in(in);
  DeviceArray<int> out(32);

  ASSERT_EQ(run({}, sum_by_halves_of_a_warp, device_in.data(), out.data()), cudaSuccess);

  const std::vector<int> got = out.values();
  const int low = std::accumulate(in.begin(), in.begin() + 12, 0);
  for (size_t lane = 0; lane < 12; ++lane) EXPECT_EQ(got[lane], low);
  // The butterfly's first step brings lanes 12 to 15 into the upper half, which then sums itself.
  const int high = std::accumulate(in.begin() + 12, in.end(), 0);
  for (size_t lane = 16; lane < 32; ++lane) EXPECT_EQ(got[lane], high);
}

TEST(SimtWarp, VotesAndReductionsCountEveryLane) {
  std::mt19937 random(7);
  std::vector<int> in(32);
  for (int& value : in) value = static_cast<int>(random());
  DeviceArray<int> device_in(in);
  DeviceArray<unsigned> out(32 * kVoteWords);

  ASSERT_EQ(run({}, vote_every_way, device_in.data(), out.data()), cudaSuccess);

  const std::vector<unsigned> got = out.values();
  unsigned negative = 0;
  unsigned sum = 0;
  for (unsigned i = 0; i < 32; ++i) {
    negative |= static_cast<unsigned>(in[i] < 0) << i;
    sum += static_cast<unsigned>(in[i]);
  }
  const auto as_unsigned = [](int a, int b) {
    return static_cast<unsigned>(a) < static_cast<unsigned>(b);
  };
  for (unsigned lane = 0; lane < 32; ++lane) {
    SCOPED_TRACE(lane);
    const unsigned* own = &got[lane * kVoteWords];
    unsigned matching = 0;
    for (unsigned i = 0; i < 32; ++i) matching |= unsigned{(in[i] & 3) == (in[lane] & 3)} << i;
    EXPECT_EQ(own[0], negative);
    EXPECT_EQ(own[1], 1u);
    EXPECT_EQ(own[2], 0u);
    EXPECT_EQ(own[3], matching);
    EXPECT_EQ(own[4], sum);
    EXPECT_EQ(own[5], static_cast<unsigned>(*std::min_element(in.begin(), in.end())));
    EXPECT_EQ(own[6], static_cast<unsigned>(*std::max_element(in.begin(), in.end())));
    EXPECT_EQ(own[7], static_cast<unsigned>(*std::min_element(in.begin(), in.end(), as_unsigned)));
    EXPECT_EQ(own[8], static_cast<unsigned>(*std::max_element(in.begin(), in.end(), as_unsigned)));
    EXPECT_EQ(own[9], 0x00FF00FFu);
  }
}

TEST(SimtWarp, BlocksSumThroughSharedMemory) {
  std::vector<float> in(5000);
  std::iota(in.begin(), in.end(), -100.0f);
  DeviceArray<float> device_in(in);
  DeviceArray<float> out(std::vector<float>{0.0f});

  ASSERT_EQ(
      run({.grid = 3, .block = 256}, block_sum, device_in.data(), 5000, out.data()), cudaSuccess
  );

  EXPECT_EQ(out.values()[0], 4999.0f * 5000.0f / 2 - 100.0f * 5000.0f);
}

TEST(SimtWarp, HadamardByShufflesIsTheMatrixOfSigns) {
  std::mt19937 random(3);
  std::vector<float> in(4 * 2 * 128);
  for (float& value : in) value = static_cast<float>(random() % 256) - 128.0f;
  DeviceArray<float> x(in);

  ASSERT_EQ(run({.grid = 4, .block = 64}, hadamard_128, x.data()), cudaSuccess);

  const std::vector<float> got = x.values();
  for (unsigned i = 0; i < got.size(); ++i) {
    float expected = 0.0f;
    for (unsigned j = 0; j < 128; ++j) {
      const float value = in[i / 128 * 128 + j];
      expected += std::popcount(i % 128 & j) % 2 ? -value : value;
    }
    ASSERT_EQ(got[i], expected) << i;
  }
}

}  // namespace
}  // namespace trellis::simt_test
