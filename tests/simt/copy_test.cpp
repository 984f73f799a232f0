#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace trellis::simt_test {
namespace {

TEST(SimtCopy, AsynchronousCopiesArriveInTheWaitForTheirGroup) {
  DeviceArray<uint4> in(std::vector<uint4>{{1, 2, 3, 4}, {5, 6, 7, 8}});
  DeviceArray<uint4> out(9);

  ASSERT_EQ(run({.block = 1}, copy_in_two_groups, in.data(), out.data()), cudaSuccess);

  std::vector<unsigned> first_words;
  for (const uint4& value : out.values()) first_words.push_back(value.x);
  EXPECT_EQ(first_words, (std::vector<unsigned>{7, 7, 7, 1, 7, 7, 1, 5, 0}));
  EXPECT_EQ(out.values()[7].w, 8u);
}

TEST(SimtCopy, BulkCopiesFillARingThatBarriersGuard) {
  constexpr int kSlots = 7;
  std::vector<float> in(kSlots * 64);
  std::iota(in.begin(), in.end(), 1.0f);
  DeviceArray<float> device_in(in);
  DeviceArray<float> out(64);

  ASSERT_EQ(
      run({.block = 96}, sum_by_bulk_copies, device_in.data(), kSlots, out.data()), cudaSuccess
  );

  const std::vector<float> got = out.values();
  for (size_t i = 0; i < 64; ++i) {
    float expected = 0.0f;
    for (size_t slot = 0; slot < kSlots; ++slot) expected += in[slot * 64 + i];
    EXPECT_EQ(got[i], expected) << i;
  }
}

TEST(SimtCopy, BlocksOfAClusterWriteToEachOthersSharedMemory) {
  const std::vector<float> in = {1, 2, 3, 4, 5, 6, 7, 8};
  DeviceArray<float> device_in(in);
  DeviceArray<float> out(in.size() * kClusterBlocks);

  ASSERT_EQ(
      run({.grid = 8, .block = 48, .cluster = kClusterBlocks}, gather_over_cluster,
          device_in.data(), out.data()),
      cudaSuccess
  );

  const std::vector<float> got = out.values();
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t block = i / kClusterBlocks;
    EXPECT_EQ(got[i], in[block / kClusterBlocks * kClusterBlocks + i % kClusterBlocks]) << i;
  }
}

TEST(SimtCopy, EveryBlockFindsItsSharedMemoryPoisoned) {
  DeviceArray<unsigned> out(4);

  ASSERT_EQ(
      run({.grid = 2, .block = 1, .shared_bytes = 4}, read_fresh_shared_memory, out.data()),
      cudaSuccess
  );

  EXPECT_EQ(out.values(), std::vector<unsigned>(4, 0xFFFFFFFFu));
}

}  // namespace
}  // namespace trellis::simt_test
