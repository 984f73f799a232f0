#include "tensor/buffer.h"

#include "base/error_matchers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

namespace trellis {
namespace {

int num_releases = 0;
void count_release(void*, size_t) {
  ++num_releases;
}

/// One size below and one above the limit from which memory is mapped.
class HostMemory : public ::testing::TestWithParam<size_t> {};

TEST_P(HostMemory, IsZeroedAlignedAndWritable) {
  const size_t bytes = GetParam();

  const Buffer buffer = allocate_host(bytes);

  EXPECT_EQ(buffer.bytes(), bytes);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
  EXPECT_EQ(std::memcmp(buffer.data(), std::vector<char>(bytes).data(), bytes), 0);
  std::memset(buffer.data(), 1, bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, HostMemory, ::testing::Values(1, 63, 64, 65, (1 << 20) - 1, 1 << 20, (1 << 20) + 1),
    ::testing::PrintToStringParamName()
);

TEST(HostMemory, IsEmptyForNoBytes) {
  const Buffer buffer = allocate_host(0);

  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.bytes(), 0u);
}

TEST(HostMemory, NamesTheSizeThatCannotBeHad) {
  EXPECT_USER_ERROR(allocate_host(size_t{1} << 62), ::testing::HasSubstr("4398046511104.0 MiB"));
}

TEST(Buffer, IsReleasedOnceThoughMoved) {
  num_releases = 0;
  char memory[4] = {};
  {
    Buffer first(memory, 4, count_release);
    Buffer second(std::move(first));
    Buffer third;
    third = std::move(second);
    EXPECT_EQ(third.data(), memory);
    EXPECT_EQ(third.bytes(), 4u);
    EXPECT_EQ(num_releases, 0);
  }
  EXPECT_EQ(num_releases, 1);
}

TEST(Buffer, ReleasesWhatAnAssignmentReplaces) {
  num_releases = 0;
  char memory[8] = {};
  Buffer first(memory, 4, count_release);

  first = Buffer(memory + 4, 4, count_release);

  EXPECT_EQ(num_releases, 1);
  EXPECT_EQ(first.data(), memory + 4);
}

TEST(Buffer, ViewsOnlyBytesThatItHas) {
  const Buffer buffer = allocate_host(32);

  const Tensor view = buffer.view(DType::kFloat32, {2, 3}, 8);

  EXPECT_EQ(view.data(), static_cast<char*>(buffer.data()) + 8);
  EXPECT_EQ(view.shape(), (Shape{2, 3}));
  EXPECT_THROW(buffer.view(DType::kFloat32, {2, 3}, 9), InternalError);
  EXPECT_THROW(buffer.view(DType::kFloat32, {9}), InternalError);
  EXPECT_THROW(buffer.view(DType::kUint8, {0}, 33), InternalError);
}

}  // namespace
}  // namespace trellis
