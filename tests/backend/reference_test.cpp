// The oracle itself, against examples worked by hand and against the other spelling of EXL3 in
// exl3/reference.h.
#include "exl3/reference.h"

#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "backend/reference/reference_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace trellis::test {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

class Reference : public testing::Test {
 protected:
  Tensor floats(const std::vector<float>& values, Shape shape) { return op_.upload(values, shape); }
  Tensor integers(const std::vector<int32_t>& values) {
    return op_.upload(values, {static_cast<int64_t>(values.size())});
  }
  std::vector<float> numbers(ConstTensor tensor) {
    std::vector<float> values(static_cast<size_t>(tensor.numel()));
    backend_->download(tensor, values.data());
    return values;
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend({});
  Ops& ops_ = backend_->ops();
  PreparedOp op_{*backend_};
};

TEST_F(Reference, EmbedPicksRowsAndWidensHalves) {
  const Tensor table =
      op_.upload(narrow({1, 2, 3, 4, 5, 6}, DType::kBFloat16), {3, 2}, DType::kBFloat16);
  const Tensor out = op_.allocate({2, 2});

  ops_.embed(integers({2, 0}), table, out);

  EXPECT_THAT(numbers(out), ElementsAre(5, 6, 1, 2));
}

TEST_F(Reference, RmsNormDividesByTheRootMeanSquare) {
  const Tensor x = floats({3, 4, 0, 0}, {1, 4});  // mean square 25 / 4

  ops_.rms_norm(x, floats({1, 1, 1, 2}, {4}), 0.0f, x);

  EXPECT_THAT(numbers(x), Pointwise(FloatNear(1e-6f), {1.2f, 1.6f, 0.0f, 0.0f}));
}

TEST_F(Reference, DenseLinearMultipliesRowsOfTheWeightAndAddsTheBias) {
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const std::vector<float> bias = {10, 20};
  const DenseWeight dense = {
      {weight.data(), DType::kFloat32, {2, 3}}, {bias.data(), DType::kFloat32, {2}}
  };
  const Tensor y = op_.allocate({2, 2});

  ops_.linear(floats({1, 0, 0, 1, 1, 1}, {2, 3}), op_.pack(dense), y);

  EXPECT_THAT(numbers(y), ElementsAre(11, 24, 16, 35));
}

TEST_F(Reference, Exl3LinearIsTheReconstructedMatrixWithPaddingCutAway) {
  const LinearShape shape = {200, 300, 3};
  const RandomLinear linear(WeightFormat::exl3(4, exl3::Codebook::kMul1), shape, 1);
  const auto& exl3 = std::get<Exl3Weight>(linear.weight());
  const std::vector<float> matrix = exl3::reconstruct(
      {exl3.padded_in(), exl3.padded_out(), exl3.bits, exl3.codebook, exl3.trellis.data(),
       exl3.suh.data(), exl3.svh.data()}
  );
  const std::vector<float> x = RandomData(2).normals(3 * 200);
  const Tensor y = op_.allocate({3, 300});

  ops_.linear(floats(x, {3, 200}), op_.pack(linear.weight()), y);

  const std::vector<float> actual = numbers(y);
  for (int64_t t = 0; t < 3; ++t) {
    for (int64_t n = 0; n < 300; ++n) {
      double sum = 0.0;
      for (int64_t k = 0; k < 200; ++k) {
        sum +=
            double{x[static_cast<size_t>(t * 200 + k)]} * matrix[static_cast<size_t>(k * 384 + n)];
      }
      ASSERT_NEAR(actual[static_cast<size_t>(t * 300 + n)], sum, 1e-5);
    }
  }
}

TEST_F(Reference, RopeTurnsPairsOfHalvesByPositionTimesFrequency) {
  const auto quarter = static_cast<float>(std::numbers::pi / 2);
  // Two heads of 4 numbers: the pairs (0, 2) turn a quarter per position, the pairs (1, 3) not at
  // all.
  const Tensor x = floats({1, 2, 3, 4, 5, 6, 7, 8}, {1, 8});

  ops_.rope(x, integers({1}), {floats({quarter, 0}, {2}), 2.0f}, 4);

  EXPECT_THAT(numbers(x), Pointwise(FloatNear(1e-5f), {-6, 4, 2, 8, -14, 12, 10, 16}));
}

TEST_F(Reference, RopeLeavesWhatLiesBeyondTheRotaryNumbers) {
  const Tensor x = floats({1, 2, 3, 4}, {1, 4});

  ops_.rope(x, integers({3}), {floats({static_cast<float>(std::numbers::pi)}, {1})}, 4);

  EXPECT_THAT(numbers(x), Pointwise(FloatNear(1e-5f), {-1, -2, 3, 4}));
}

TEST_F(Reference, KvStorePutsARowAtItsPageAndOffset) {
  const Shape size = {2, 2, kPageTokens, 1};
  const KvLayer cache = {op_.allocate(size), op_.allocate(size)};

  ops_.kv_store(
      floats({7, 8}, {1, 2}), floats({9, 10}, {1, 2}), integers({kPageTokens + 3}), cache
  );

  // Page 1, heads 0 and 1, offset 3.
  EXPECT_EQ(numbers(cache.keys)[2 * kPageTokens + 3], 7);
  EXPECT_EQ(numbers(cache.keys)[3 * kPageTokens + 3], 8);
  EXPECT_EQ(numbers(cache.values)[3 * kPageTokens + 3], 10);
}

/// The worked example of the format: x_j = j / 8 - 2 in four bits.
class ReferenceQuantizedCache : public Reference {
 protected:
  ReferenceQuantizedCache() {
    for (int j = 0; j < 32; ++j) ramp_.push_back(static_cast<float>(j) / 8 - 2);
    cache_.keys = op_.allocate({2, 1, kPageTokens, 4}, DType::kUint32);
    cache_.values = op_.allocate({2, 1, kPageTokens, 4}, DType::kUint32);
    cache_.key_scales = op_.allocate({2, 1, kPageTokens, 1}, DType::kFloat16);
    cache_.value_scales = op_.allocate({2, 1, kPageTokens, 1}, DType::kFloat16);
    const Tensor keys = floats(std::vector<float>(32, 0.0f), {1, 32});
    ops_.kv_store(keys, floats(ramp_, {1, 32}), integers({kPageTokens + 3}), cache_);
  }

  std::vector<float> ramp_;
  KvLayer cache_;
};

TEST_F(ReferenceQuantizedCache, HoldsTheWordsAndScalesOfTheFormat) {
  const auto row = [&](Tensor words) { return words.row<uint32_t>(kPageTokens + 3); };
  const uint32_t* values = row(cache_.values);
  EXPECT_THAT(
      std::vector<uint32_t>(values, values + 4),
      ElementsAre(0x88868777, 0x88888884, 0x88888880, 0x88888888)
  );
  EXPECT_EQ(*cache_.value_scales.row<uint16_t>(kPageTokens + 3), 0x45A8);
  EXPECT_EQ(row(cache_.keys)[0], 0x88888888);
  EXPECT_EQ(*cache_.key_scales.row<uint16_t>(kPageTokens + 3), 0);
  EXPECT_EQ(*cache_.value_scales.row<uint16_t>(kPageTokens + 2), 0) << "nothing beside it";
}

TEST_F(ReferenceQuantizedCache, GivesAttentionWhatTheCodesStandFor) {
  const KvLayer& cache = cache_;
  ops_.kv_store(floats(ramp_, {1, 32}), floats(ramp_, {1, 32}), integers({kPageTokens}), cache);
  AttentionArgs args = {floats(ramp_, {1, 32}), cache, 1.0f, 1, 1, 32, 0, op_.allocate({1, 32})};
  DeviceStep step;
  step.positions = integers({0});
  step.row_begin = integers({0, 1});
  step.kv_length = integers({1});
  step.page_table = op_.upload(std::vector<int32_t>{1}, {1, 1});
  step.max_kv_length = 1;

  ops_.attention(args, step);

  const std::vector<float> mixed = numbers(args.output);
  EXPECT_THAT(
      std::vector<float>(mixed.begin(), mixed.begin() + 6),
      Pointwise(FloatNear(1e-3f), {-0.125f, -1.875f, -1.875f, -1.625f, -1.625f, -1.375f})
  );
}

/// One sequence in page 1 of a cache of scalars. Keys 0, ln 3, 0, ...: position 1 weighs three
/// times the others.
class ReferenceAttention : public Reference {
 protected:
  ReferenceAttention() {
    std::vector<float> keys(2 * kPageTokens, 0.0f);
    std::vector<float> values(2 * kPageTokens, 1000.0f);
    keys[kPageTokens + 1] = std::log(3.0f);
    for (size_t p = 0; p < 4; ++p) values[kPageTokens + p] = std::pow(10.0f, static_cast<float>(p));
    args_.cache = {floats(keys, {2, 1, kPageTokens, 1}), floats(values, {2, 1, kPageTokens, 1})};
    args_.queries = floats({1, 0, 2, 0}, {2, 2});
    args_.num_heads = 2;
    args_.num_kv_heads = 1;
    args_.head_dim = 1;
    args_.output = op_.allocate({2, 2});
    step_.positions = integers({2, 3});
    step_.row_begin = integers({0, 2});
    step_.kv_length = integers({4});
    step_.page_table = op_.upload(std::vector<int32_t>{1}, {1, 1});
    step_.max_kv_length = 4;
  }

  AttentionArgs args_;
  DeviceStep step_;
};

TEST_F(ReferenceAttention, WeighsPositionsUpToItsOwn) {
  ops_.attention(args_, step_);

  // Position 2: weights 1, 3, 1; then without preference. Position 3: weights 1, 9, 1, 1; then
  // without.
  EXPECT_THAT(
      numbers(args_.output),
      Pointwise(FloatNear(1e-3f), {131.0f / 5, 111.0f / 3, 1191.0f / 12, 1111.0f / 4})
  );
}

TEST_F(ReferenceAttention, SeesOnlyTheWindow) {
  args_.window = 2;

  ops_.attention(args_, step_);

  // Position 2 sees 1 and 2, position 3 sees 2 and 3.
  EXPECT_THAT(
      numbers(args_.output), Pointwise(FloatNear(1e-3f), {130.0f / 4, 55.0f, 550.0f, 550.0f})
  );
}

TEST_F(ReferenceAttention, ScalesTheProductsBeforeTheSoftmax) {
  args_.scale = 2.0f;

  ops_.attention(args_, step_);

  EXPECT_NEAR(numbers(args_.output)[0], (1 + 9 * 10 + 100) / 11.0, 1e-3);
}

TEST_F(Reference, GatedActivationIsSiluTimesUp) {
  const Tensor out = op_.allocate({1, 3});

  ops_.gated_activation(
      Activation::kSilu, floats({0, std::log(3.0f), -100}, {1, 3}), floats({5, 2, 7}, {1, 3}), out
  );

  // silu(ln 3) = ln 3 * 3 / 4
  EXPECT_THAT(numbers(out), Pointwise(FloatNear(1e-6f), {0.0f, 1.5f * std::log(3.0f), 0.0f}));
}

TEST_F(Reference, AddAndGatherWorkOnRows) {
  const Tensor x = floats({1, 2, 3, 4}, {2, 2});
  const Tensor out = op_.allocate({3, 2});

  ops_.add(x, floats({10, 20, 30, 40}, {2, 2}));
  ops_.gather_rows(x, integers({1, 1, 0}), out);

  EXPECT_THAT(numbers(out), ElementsAre(33, 44, 33, 44, 11, 22));
}

}  // namespace
}  // namespace trellis::test
