#include "checkpoint/finite.h"

#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace trellis {
namespace {

TEST(FindNonFinite, AgreesWithTheMeaningOfEveryHalf) {
  int wrong = 0;
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const bool finite16 = std::isfinite(half_to_float(half));
    const bool finite_bf16 = std::isfinite(bfloat16_to_float(half));
    wrong += find_non_finite({&half, DType::kFloat16, {1}}).has_value() == finite16;
    wrong += find_non_finite({&half, DType::kBFloat16, {1}}).has_value() == finite_bf16;
  }
  EXPECT_EQ(wrong, 0);
}

/// Positions around the borders of the blocks that are looked at together.
class NonFiniteAt : public ::testing::TestWithParam<int64_t> {};

TEST_P(NonFiniteAt, IsFoundInEveryWidthAndAtOddAddresses) {
  const int64_t at = GetParam();
  constexpr int64_t kCount = 5000;
  const auto check = [&](auto bad, DType dtype) {
    using Value = decltype(bad);
    std::vector<Value> values(kCount, Value{1});
    values[static_cast<size_t>(at)] = bad;
    std::vector<char> shifted(values.size() * sizeof(Value) + 1);
    std::memcpy(shifted.data() + 1, values.data(), values.size() * sizeof(Value));
    EXPECT_EQ(find_non_finite({shifted.data() + 1, dtype, {kCount}}), at);
    EXPECT_EQ(find_non_finite({shifted.data() + 1, dtype, {at}}), std::nullopt);
  };

  check(uint16_t{0xFC00}, DType::kFloat16);
  check(uint16_t{0x7FC0}, DType::kBFloat16);
  check(std::numeric_limits<float>::quiet_NaN(), DType::kFloat32);
  check(-std::numeric_limits<double>::infinity(), DType::kFloat64);
}

INSTANTIATE_TEST_SUITE_P(
    Positions, NonFiniteAt, ::testing::Values(0, 1, 2047, 2048, 2049, 4095, 4096, 4999),
    ::testing::PrintToStringParamName()
);

TEST(FindNonFinite, FindsTheFirstOfManyWhereThreadsShareATensor) {
  constexpr int64_t kCount = (int64_t{17} << 20) + 5;
  std::vector<uint16_t> halves(static_cast<size_t>(kCount));

  EXPECT_EQ(find_non_finite({halves.data(), DType::kFloat16, {kCount}}), std::nullopt);
  for (const int64_t at : {kCount - 1, kCount / 2, int64_t{1} << 20, int64_t{7}}) {
    halves[static_cast<size_t>(at)] = 0x7C00;
    EXPECT_EQ(find_non_finite({halves.data(), DType::kFloat16, {kCount}}), at);
  }
}

TEST(FindNonFinite, TakesTheLargestNumbersForFinite) {
  const float wide = std::numeric_limits<float>::max();
  const uint16_t half = 0x7BFF;

  EXPECT_EQ(find_non_finite({&wide, DType::kFloat32, {1}}), std::nullopt);
  EXPECT_EQ(find_non_finite({&half, DType::kFloat16, {1}}), std::nullopt);
}

TEST(FindNonFinite, FindsNothingInAnEmptyTensor) {
  EXPECT_EQ(find_non_finite({nullptr, DType::kFloat32, {0, 8}}), std::nullopt);
}

}  // namespace
}  // namespace trellis
