// What every backend promises beside its ops: memory, packing, recording.
#include "backend/backend.h"

#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>

namespace trellis::test {
namespace {

using testing::Each;

class BackendTest : public testing::TestWithParam<BackendUnderTest> {
 protected:
  std::unique_ptr<Backend> backend_ = GetParam().make();
};

TEST_P(BackendTest, AllocatesZeroedAlignedMemory) {
  for (const size_t bytes : {size_t{1}, size_t{1000}, size_t{3} << 20}) {
    const Buffer buffer = backend_->allocate(bytes);
    std::vector<char> contents(bytes, 1);
    backend_->download(buffer.view(DType::kUint8, {static_cast<int64_t>(bytes)}), contents.data());

    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_THAT(contents, Each(0));
  }
}

TEST_P(BackendTest, AllocationWithoutEndIsAUserError) {
  EXPECT_THROW(backend_->allocate(std::numeric_limits<size_t>::max() / 4), UserError);
}

TEST_P(BackendTest, DownloadGivesBackWhatWasUploaded) {
  std::vector<float> numbers(777);
  std::iota(numbers.begin(), numbers.end(), 0.5f);
  const Buffer buffer = backend_->allocate(numbers.size() * sizeof(float));
  const Tensor tensor = buffer.view(DType::kFloat32, {7, 111});
  std::vector<float> back(numbers.size());

  backend_->upload(tensor, numbers.data());
  backend_->download(tensor, back.data());

  EXPECT_EQ(back, numbers);
}

TEST_P(BackendTest, CopiesTensorsOnTheDevice) {
  std::vector<float> numbers(777);
  std::iota(numbers.begin(), numbers.end(), 0.5f);
  const Buffer buffer = backend_->allocate(2 * numbers.size() * sizeof(float));
  const Tensor source = buffer.view(DType::kFloat32, {777});
  const Tensor destination = buffer.view(DType::kFloat32, {777}, source.bytes());
  std::vector<float> back(numbers.size());

  backend_->upload(source, numbers.data());
  backend_->copy(source, destination);
  backend_->download(destination, back.data());

  EXPECT_EQ(back, numbers);
}

TEST_P(BackendTest, RecordsWithoutExecutingAndReplaysAtTheSameAddresses) {
  PreparedOp op(*backend_);
  const Tensor x = op.upload(std::vector<float>{1, 2}, {1, 2});
  const Tensor y = op.upload(std::vector<float>{10, 20}, {1, 2});
  op.outputs = {x};

  const Replay replay = backend_->record([&] { backend_->ops().add(x, y); });
  EXPECT_EQ(op.rows().front(), (std::vector<float>{1, 2}));

  replay();
  replay();
  EXPECT_EQ(op.rows().front(), (std::vector<float>{21, 42}));
}

TEST_P(BackendTest, PackedLayersSayWhatTheyAre) {
  PreparedOp op(*backend_);
  const RandomLinear quantized(WeightFormat::exl3(4, exl3::Codebook::kMul1), {200, 300, 1}, 1);
  const RandomLinear dense(WeightFormat::dense(DType::kBFloat16), {20, 30, 1}, 2);

  const PackedLinear& exl3 = op.pack(quantized.weight());
  EXPECT_EQ(exl3.in_features(), 200);
  EXPECT_EQ(exl3.out_features(), 300);
  EXPECT_EQ(exl3.format(), "exl3 4-bit mul1");
  EXPECT_GE(exl3.bytes(), 256u * 384u / 2);
  EXPECT_EQ(&exl3.owner(), backend_.get());
  EXPECT_EQ(op.pack(dense.weight()).in_features(), 20);
}

TEST_P(BackendTest, RefusesALayerOfIntegers) {
  const std::vector<int32_t> numbers(6);
  const DenseWeight weight = {{numbers.data(), DType::kInt32, {2, 3}}, {}};

  EXPECT_THROW(backend_->pack(weight), UserError);
}

TEST_P(BackendTest, RefusesAWeightOfAnotherBackend) {
  const std::unique_ptr<Backend> other = GetParam().make();
  PreparedOp op(*other);
  const RandomLinear linear(WeightFormat::dense(DType::kFloat32), {4, 4, 1}, 1);
  const PackedLinear& weight = op.pack(linear.weight());
  const Tensor x = op.allocate({1, 4});
  const Tensor y = op.allocate({1, 4});

  EXPECT_THROW(backend_->ops().linear(x, weight, y), InternalError);
}

TEST_P(BackendTest, KnowsHowMuchMemoryIsLeft) {
  EXPECT_GT(backend_->available_memory(), size_t{1} << 20);
}

INSTANTIATE_TEST_SUITE_P(
    Backends, BackendTest, testing::ValuesIn(all_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
