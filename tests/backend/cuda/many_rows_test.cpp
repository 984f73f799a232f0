// Many rows on a GPU: what is not finite stays in its row, and rows of any size are as exact.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "exl3/codebook.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace trellis::test {
namespace {

constexpr int64_t kRows = 70;
constexpr int64_t kIn = 300;
constexpr int64_t kOut = 200;

class ManyRows : public testing::TestWithParam<BackendUnderTest> {};

TEST_P(ManyRows, ARowThatIsNotFiniteBecomesNanAndDisturbsNoOther) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  PreparedOp op(*backend);
  const RandomLinear linear(
      WeightFormat::exl3(4, exl3::Codebook::kMul1), {kIn, kOut, kRows, true}, 1
  );
  const PackedLinear& weight = op.pack(linear.weight());
  std::vector<float> x = RandomData(2).normals(kRows * kIn);
  const auto outputs = [&] {
    const Tensor y = op.allocate({kRows, kOut});
    backend->ops().linear(op.upload(x, {kRows, kIn}), weight, y);
    std::vector<float> values(static_cast<size_t>(y.numel()));
    backend->download(y, values.data());
    return values;
  };

  const std::vector<float> finite = outputs();
  x[5 * kIn + 17] = std::numeric_limits<float>::quiet_NaN();
  x[66 * kIn] = std::numeric_limits<float>::infinity();
  const std::vector<float> spoiled = outputs();

  for (int64_t row = 0; row < kRows; ++row) {
    const float* got = spoiled.data() + row * kOut;
    if (row == 5 || row == 66) {
      for (int64_t n = 0; n < kOut; ++n) ASSERT_TRUE(std::isnan(got[n])) << row << ", " << n;
    } else {
      const float* expected = finite.data() + row * kOut;
      ASSERT_EQ(std::memcmp(got, expected, kOut * sizeof(float)), 0) << "row " << row;
    }
  }
}

/// A power of two changes no bit of a mantissa, however products are stored.
TEST_P(ManyRows, ARowTimesAPowerOfTwoGivesItsOutputsTimesThat) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  PreparedOp op(*backend);
  const RandomLinear linear(WeightFormat::exl3(4, exl3::Codebook::kMul1), {kIn, kOut, kRows}, 1);
  const PackedLinear& weight = op.pack(linear.weight());
  const std::vector<float> base = RandomData(2).normals(kIn);
  const auto exponent = [](int64_t row) { return static_cast<int>(2 * row) - 70; };
  constexpr int64_t kZeros = 66;
  std::vector<float> x;
  for (int64_t row = 0; row < kRows; ++row) {
    for (const float number : base) {
      x.push_back(row == kZeros ? 0.0f : std::ldexp(number, exponent(row)));
    }
  }

  const Tensor y = op.allocate({kRows, kOut});
  backend->ops().linear(op.upload(x, {kRows, kIn}), weight, y);
  op.outputs = {y};
  const std::vector<std::vector<float>> rows = op.rows();

  const std::vector<float>& ones = rows[35];
  ASSERT_EQ(exponent(35), 0);
  for (int64_t row = 0; row < kRows; ++row) {
    for (size_t n = 0; n < ones.size(); ++n) {
      const float expected = row == kZeros ? 0.0f : std::ldexp(ones[n], exponent(row));
      ASSERT_EQ(rows[static_cast<size_t>(row)][n], expected) << row << ", " << n;
    }
  }
}

/// Of a segment of 8192 inputs that are all alike, with the largest weight that a whole layer can
/// consist of: a byte, repeated, makes every state of 8 bits a weight the same.
TEST_P(ManyRows, TheLargestSumsStayFinite) {
  constexpr int64_t kMany = 8192;
  const std::unique_ptr<Backend> backend = GetParam().make();
  Exl3Weight layer;
  layer.bits = 8;
  float weight = 0.0f;
  uint32_t byte = 0;
  for (int c = 0; c < exl3::kNumCodebooks; ++c) {
    for (uint32_t b = 0; b < 256; ++b) {
      const auto codebook = static_cast<exl3::Codebook>(c);
      const float candidate = half_to_float(exl3::decode(codebook, b * 0x101u));
      if (std::abs(candidate) <= std::abs(weight)) continue;
      layer.codebook = codebook;
      weight = candidate;
      byte = b;
    }
  }
  ASSERT_GT(std::abs(weight), 2.5f);
  const std::vector<uint8_t> words(kMany * 128, static_cast<uint8_t>(byte));
  layer.trellis = {words.data(), DType::kInt16, {kMany / 16, 8, 128}};
  layer.in_features = kMany;
  layer.out_features = 128;
  layer.suh.assign(kMany, float_to_half(1.0f));
  layer.svh.assign(128, float_to_half(1.0f));
  // The transform spreads the first number of a block evenly, and gathers equal ones in the first.
  std::vector<float> x(static_cast<size_t>(kRows * kMany));
  for (int64_t i = 0; i < kRows * kMany; i += 128) x[static_cast<size_t>(i)] = 3.0f;

  PreparedOp op(*backend);
  const Tensor y = op.allocate({kRows, 128});
  backend->ops().linear(op.upload(x, {kRows, kMany}), op.pack(layer), y);
  op.outputs = {y};

  const float expected = 3.0f * weight * kMany;
  for (const std::vector<float>& row : op.rows()) {
    ASSERT_NEAR(row[0], expected, 1e-3f * std::abs(expected));
    for (size_t n = 1; n < row.size(); ++n) ASSERT_NEAR(row[n], 0.0f, 1e-5f * std::abs(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, ManyRows, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
