// What is timed must really read everything: checked by what it folds.
#include "backend/cuda/kernels/read_bandwidth.h"

#include "backend/cuda/cuda_backend.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

namespace trellis::cuda {
namespace {

TEST(CudaReadBandwidth, ReadsEveryWordOnce) {
  constexpr int kMultiprocessors = 2;
  const std::unique_ptr<Backend> backend = make_cuda_backend({});
  std::mt19937 random(1);
  for (const int64_t count : {4, 40'000, 70'004}) {  // words: part of a tile, several, and a rest
    SCOPED_TRACE(count);
    std::vector<uint32_t> words(static_cast<size_t>(count));
    for (uint32_t& word : words) word = static_cast<uint32_t>(random());
    const Buffer source = backend->allocate(words.size() * sizeof(uint32_t));
    backend->upload(source.view(DType::kUint32, {count}), words.data());
    const Buffer folded =
        backend->allocate(static_cast<size_t>(num_readers(kMultiprocessors)) * sizeof(uint32_t));

    read_all(
        nullptr, source.data(), source.bytes(), kMultiprocessors,
        static_cast<uint32_t*>(folded.data())
    );

    std::vector<uint32_t> parts(static_cast<size_t>(num_readers(kMultiprocessors)));
    backend->download(folded.view(DType::kUint32, {num_readers(kMultiprocessors)}), parts.data());
    EXPECT_EQ(
        std::accumulate(parts.begin(), parts.end(), 0u, std::bit_xor<>()),
        std::accumulate(words.begin(), words.end(), 0u, std::bit_xor<>())
    );
  }
}

TEST(CudaReadBandwidth, IsABytesPerTime) {
  EXPECT_GT(measure_read_bandwidth(nullptr, size_t{1} << 16, 1), 0.0);
}

}  // namespace
}  // namespace trellis::cuda
