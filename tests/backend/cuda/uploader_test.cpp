// Uploads of every size against plain copies: pieces that do not divide them, rows that are padded,
// and what is packed by way of pieces.
#include "backend/cuda/uploader.h"

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/device_memory.h"
#include "backend/random_linear.h"
#include "simt/device.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace trellis::cuda {
namespace {

using test::LinearShape;
using test::RandomLinear;
using test::WeightFormat;

constexpr size_t kPlace = size_t{1} << 20;
constexpr size_t kPlaces = 3;

std::vector<uint8_t> random_bytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  std::mt19937 random(1);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

std::vector<uint8_t> downloaded(const void* data, size_t bytes) {
  std::vector<uint8_t> result(bytes);
  EXPECT_EQ(cudaMemcpy(result.data(), data, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
  return result;
}

/// The number of threads that fill the large ring.
class CudaUploader : public testing::TestWithParam<int> {
 protected:
  Uploader uploader_{
      nullptr, {.num_threads = GetParam(), .places = kPlaces, .place_bytes = kPlace}
  };
};

TEST_P(CudaUploader, BringsAnyNumberOfBytes) {
  for (const size_t bytes :
       {size_t{0}, size_t{1}, Uploader::kSmallBytes, Uploader::kSmallBytes + 1, kPlace, kPlace + 1,
        kPlaces * kPlace, 2 * kPlaces * kPlace + 12'345}) {
    SCOPED_TRACE(bytes);
    std::vector<uint8_t> source = random_bytes(bytes);
    const std::vector<uint8_t> expected = source;
    const Buffer destination = allocate_device(bytes);

    uploader_.upload(destination.data(), source.data(), bytes);
    std::fill(source.begin(), source.end(), uint8_t{0});  // it may change at once

    EXPECT_EQ(downloaded(destination.data(), bytes), expected);
  }
}

TEST_P(CudaUploader, FillsRowsUpWithZeros) {
  for (const auto& [rows, row_bytes] :
       {std::pair<size_t, size_t>{7, 10}, {50'000, 46}, {3, 2 * kPlace + 6}}) {
    SCOPED_TRACE(rows);
    const size_t stride = row_bytes + 4;
    const size_t padded = row_bytes + 10;
    const std::vector<uint8_t> source = random_bytes(rows * stride);
    std::vector<uint8_t> expected(rows * padded);
    for (size_t row = 0; row < rows; ++row) {
      std::memcpy(&expected[row * padded], &source[row * stride], row_bytes);
    }
    const Buffer destination = allocate_device(rows * padded);

    uploader_.upload(destination.data(), {source.data(), rows, row_bytes, stride, padded});

    EXPECT_EQ(downloaded(destination.data(), expected.size()), expected);
  }
}

TEST_P(CudaUploader, PassesPiecesInOrder) {
  for (const size_t bytes : {size_t{0}, size_t{1000}, 4 * kPlace, 4 * kPlace + 333}) {
    SCOPED_TRACE(bytes);
    const std::vector<uint8_t> source = random_bytes(bytes);
    std::vector<uint8_t> passed;

    uploader_.pass(source.data(), bytes, [&](const void* piece, size_t offset, size_t count) {
      EXPECT_EQ(offset, passed.size());
      const std::vector<uint8_t> part = downloaded(piece, count);
      passed.insert(passed.end(), part.begin(), part.end());
    });

    EXPECT_EQ(passed, source);
  }
}

TEST_P(CudaUploader, PacksTrellisesLargerThanItsRing) {
  // Three bits: a piece ends inside a tile, and the last chunk reaches beyond the inputs.
  for (const int bits : {3, 4}) {
    SCOPED_TRACE(bits);
    const LinearShape shape = {4224, 2560, 0, true};
    const RandomLinear linear(WeightFormat::exl3(bits, exl3::Codebook::kMul1), shape, 1);
    const auto& weight = std::get<Exl3Weight>(linear.weight());
    ASSERT_GT(weight.trellis.bytes(), kPlaces * kPlace);
    std::vector<uint32_t> file(weight.trellis.bytes() / sizeof(uint32_t));
    std::memcpy(file.data(), weight.trellis.data(), weight.trellis.bytes());
    const std::unique_ptr<Backend> owner = make_cuda_backend({});

    const CudaLinear packed(*owner, linear.weight(), uploader_);

    const Exl3Layout& layout = packed.exl3().layout;
    std::vector<uint32_t> expected(static_cast<size_t>(layout.words()));
    for (size_t i = 0; i < file.size(); ++i) {
      const auto tile = static_cast<int64_t>(i) / (8 * bits);
      const auto place = layout.place(
          tile / layout.out_tiles, tile % layout.out_tiles, static_cast<int>(i) % (8 * bits)
      );
      expected[static_cast<size_t>(place)] = file[i];
    }
    std::vector<uint32_t> words(expected.size());
    cudaMemcpy(
        words.data(), packed.exl3().words, words.size() * sizeof(uint32_t), cudaMemcpyDeviceToHost
    );
    EXPECT_EQ(words, expected);
    const size_t scales = (weight.suh.size() + weight.svh.size()) * sizeof(uint16_t);
    EXPECT_EQ(packed.bytes(), words.size() * sizeof(uint32_t) + scales + shape.out * sizeof(float));
  }
}

INSTANTIATE_TEST_SUITE_P(, CudaUploader, testing::Values(1, 2, 5), [](const auto& info) {
  return "Threads" + std::to_string(info.param);
});

TEST(CudaUploaderMemory, MayBeOrdinaryWhereItCannotBeLocked) {
  const simt::Device before = simt::device();
  simt::Device device = before;
  device.lockable_bytes = size_t{2} << 20;  // the small ring, not the large one
  simt::set_device(device);
  const std::vector<uint8_t> source = random_bytes(4 * kPlace);
  const Buffer destination = allocate_device(source.size());
  Uploader uploader(nullptr, {.num_threads = 2, .places = kPlaces, .place_bytes = kPlace});

  testing::internal::CaptureStdout();
  uploader.upload(destination.data(), source.data(), source.size());
  uploader.upload(destination.data(), source.data(), source.size());
  const std::string log = testing::internal::GetCapturedStdout();
  simt::set_device(before);

  EXPECT_EQ(downloaded(destination.data(), source.size()), source);
  const std::string warning = "3145728 bytes of host memory could not be locked";
  const size_t first = log.find(warning);
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find(warning, first + 1), std::string::npos) << "one warning";
}

}  // namespace
}  // namespace trellis::cuda
