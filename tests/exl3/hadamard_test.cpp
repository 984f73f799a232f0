#include "exl3/hadamard.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <vector>

namespace trellis::exl3 {
namespace {

template <typename Size>
class Hadamard : public ::testing::Test {};
using Sizes = ::testing::Types<std::integral_constant<int, 32>, std::integral_constant<int, 128>>;
TYPED_TEST_SUITE(Hadamard, Sizes);

template <int Size>
std::array<double, Size> random_integers(uint32_t seed) {
  std::mt19937 random(seed);
  std::array<double, Size> values;
  for (double& value : values) value = static_cast<double>(random() % 2001) - 1000.0;
  return values;
}

TYPED_TEST(Hadamard, EqualsTheMatrixOfSigns) {
  constexpr int kSize = TypeParam::value;
  const std::array<double, kSize> input = random_integers<kSize>(1);
  std::array<double, kSize> transformed = input;

  hadamard<kSize>(transformed.data());

  for (uint32_t row = 0; row < kSize; ++row) {
    double expected = 0.0;
    for (uint32_t column = 0; column < kSize; ++column) {
      expected += (std::popcount(row & column) % 2 == 0 ? 1.0 : -1.0) * input[column];
    }
    ASSERT_EQ(transformed[row], expected) << "row " << row << ", seed 1";
  }
}

TYPED_TEST(Hadamard, TwiceMultipliesByTheSize) {
  constexpr int kSize = TypeParam::value;
  const std::array<double, kSize> input = random_integers<kSize>(2);
  std::array<double, kSize> transformed = input;

  hadamard<kSize>(transformed.data());
  hadamard<kSize>(transformed.data());

  for (size_t index = 0; index < kSize; ++index) {
    ASSERT_EQ(transformed[index], kSize * input[index]) << "seed 2";
  }
}

TYPED_TEST(Hadamard, StridedEqualsContiguous) {
  constexpr int kSize = TypeParam::value;
  const std::array<double, kSize> input = random_integers<kSize>(3);
  std::array<double, kSize> contiguous = input;
  std::vector<double> strided(3 * kSize, 7.0);
  for (size_t index = 0; index < kSize; ++index) strided[3 * index] = input[index];

  hadamard<kSize>(contiguous.data());
  hadamard<kSize>(strided.data(), 3);

  for (size_t index = 0; index < kSize; ++index) {
    ASSERT_EQ(strided[3 * index], contiguous[index]) << "seed 3";
    ASSERT_EQ(strided[3 * index + 1], 7.0) << "elements between must stay";
  }
}

TEST(HadamardScale, MakesTheTransformOrthonormal) {
  EXPECT_FLOAT_EQ(kHadamardScale * kHadamardScale * kHadamardBlock, 1.0f);
  EXPECT_FLOAT_EQ(kKvHadamardScale * kKvHadamardScale * kKvHadamardBlock, 1.0f);
}

}  // namespace
}  // namespace trellis::exl3
