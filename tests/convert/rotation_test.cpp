#include "convert/rotation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace trellis {
namespace {

constexpr int64_t kRows = 256;
constexpr int64_t kColumns = 128;

/// Element (a, b) of the block-diagonal orthonormal transform.
double rotation(int64_t a, int64_t b) {
  if (a / 128 != b / 128) return 0.0;
  const bool negative = std::popcount(static_cast<uint64_t>(a % 128 & b % 128)) % 2 != 0;
  return (negative ? -1.0 : 1.0) / std::sqrt(128.0);
}

std::vector<float> random_matrix() {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> matrix(kRows * kColumns);
  for (float& value : matrix) value = normal(random);
  return matrix;
}

TEST(Rotation, OfRowsIsAProductFromTheLeft) {
  const std::vector<float> matrix = random_matrix();
  std::vector<float> rotated = matrix;
  ThreadPool pool(2);

  rotate_rows(rotated.data(), kRows, kColumns, pool);

  for (const int64_t row : {0, 77, 128, 255}) {
    for (int64_t column = 0; column < kColumns; ++column) {
      double expected = 0.0;
      for (int64_t k = 0; k < kRows; ++k) {
        expected += rotation(row, k) * matrix[static_cast<size_t>(k * kColumns + column)];
      }
      ASSERT_NEAR(rotated[static_cast<size_t>(row * kColumns + column)], expected, 1e-5);
    }
  }
}

TEST(Rotation, OfColumnsIsAProductFromTheRight) {
  const std::vector<float> matrix = random_matrix();
  std::vector<float> rotated = matrix;
  ThreadPool pool(2);

  // The same numbers as [128, 256]: two blocks along the columns.
  rotate_columns(rotated.data(), kColumns, kRows, pool);

  for (const int64_t row : {0, 5, 127}) {
    for (int64_t column = 0; column < kRows; ++column) {
      double expected = 0.0;
      for (int64_t k = 0; k < kRows; ++k) {
        expected += matrix[static_cast<size_t>(row * kRows + k)] * rotation(k, column);
      }
      ASSERT_NEAR(rotated[static_cast<size_t>(row * kRows + column)], expected, 1e-5);
    }
  }
}

}  // namespace
}  // namespace trellis
