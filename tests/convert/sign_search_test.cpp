#include "convert/sign_search.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace trellis {
namespace {

constexpr uint32_t kSeed = 31;

struct Problem {
  size_t in;
  size_t out;
  std::vector<float> values;  // [in, out]
  std::vector<float> in_signs;
  std::vector<float> out_signs;
};

/// Normal numbers, and in every column the same vector.
Problem make_problem(size_t in, size_t out, float shared) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  Problem problem{in, out, std::vector<float>(in * out), {}, {}};
  for (size_t k = 0; k < in; ++k) {
    const float common = shared * normal(random);
    for (size_t n = 0; n < out; ++n) problem.values[k * out + n] = common + normal(random);
  }
  for (size_t k = 0; k < in; ++k) problem.in_signs.push_back(random() % 2 != 0 ? 1.0f : -1.0f);
  for (size_t n = 0; n < out; ++n) problem.out_signs.push_back(random() % 2 != 0 ? 1.0f : -1.0f);
  return problem;
}

/// Element (a, b) of the block-diagonal orthonormal transform.
double rotation(size_t a, size_t b) {
  if (a / 128 != b / 128) return 0.0;
  return (std::popcount(a % 128 & b % 128) % 2 != 0 ? -1.0 : 1.0) / std::sqrt(128.0);
}

/// H diag(in_signs) values diag(out_signs) H in plain fp64.
std::vector<double> rotated(const Problem& problem) {
  const size_t out = problem.out;
  std::vector<double> half(problem.in * out);
  for (size_t k = 0; k < problem.in; ++k) {
    for (size_t n = 0; n < out; ++n) {
      for (size_t b = n / 128 * 128; b < n / 128 * 128 + 128; ++b) {
        half[k * out + n] += rotation(b, n) * problem.out_signs[b] * problem.values[k * out + b];
      }
    }
  }
  std::vector<double> whole(half.size());
  for (size_t k = 0; k < problem.in; ++k) {
    for (size_t b = k / 128 * 128; b < k / 128 * 128 + 128; ++b) {
      const double factor = rotation(k, b) * problem.in_signs[b];
      for (size_t n = 0; n < out; ++n) whole[k * out + n] += factor * half[b * out + n];
    }
  }
  return whole;
}

double fourth_powers(const Problem& problem) {
  double sum = 0.0;
  for (const double value : rotated(problem)) sum += value * value * value * value;
  return sum;
}

/// The fourth moment of the rotated values in units of the variance; 3 for normal numbers.
double kurtosis(const Problem& problem) {
  double squares = 0.0;
  for (const float value : problem.values) squares += static_cast<double>(value) * value;
  return fourth_powers(problem) * static_cast<double>(problem.values.size()) / (squares * squares);
}

void search(Problem& problem, int threads = 2) {
  ThreadPool pool(threads);
  search_signs(problem.values, problem.in_signs, problem.out_signs, pool);
}

TEST(SignSearch, TakesTheTailsOffAMatrixWhoseColumnsHaveMuchInCommon) {
  Problem problem = make_problem(128, 384, 0.7f);
  const double before = kurtosis(problem);

  search(problem);

  EXPECT_GT(before, 3.4) << "seed " << kSeed;
  EXPECT_LT(kurtosis(problem), 2.9) << "seed " << kSeed;
}

TEST(SignSearch, GetsNormalNumbersBelowNormalTails) {
  Problem problem = make_problem(128, 128, 0.0f);

  search(problem);

  EXPECT_LT(kurtosis(problem), 2.75) << "seed " << kSeed;
}

TEST(SignSearch, EndsWhereNoInputSignIsWorthAFlip) {
  Problem problem = make_problem(128, 256, 0.5f);

  search(problem);

  const double found = fourth_powers(problem);
  for (size_t k = 0; k < problem.in; k += 9) {
    problem.in_signs[k] *= -1.0f;
    EXPECT_GT(fourth_powers(problem), (1.0 - 2e-5) * found) << "channel " << k;
    problem.in_signs[k] *= -1.0f;
  }
}

TEST(SignSearch, LeavesSignsOfPaddingAndOnlySigns) {
  Problem problem = make_problem(128, 256, 0.5f);
  for (size_t k = 0; k < problem.in; ++k) {
    for (size_t n = 200; n < problem.out; ++n) problem.values[k * problem.out + n] = 0.0f;
  }
  const std::vector<float> before = problem.out_signs;

  search(problem);

  EXPECT_NE(problem.out_signs, before);
  for (size_t n = 0; n < problem.out; ++n) {
    EXPECT_EQ(std::fabs(problem.out_signs[n]), 1.0f);
  }
  for (size_t n = 200; n < problem.out; ++n) {
    EXPECT_EQ(problem.out_signs[n], before[n]) << "channel " << n;
  }
}

TEST(SignSearch, AMatrixOfZerosKeepsItsSigns) {
  Problem problem = make_problem(128, 128, 0.0f);
  problem.values.assign(problem.values.size(), 0.0f);
  const Problem before = problem;

  search(problem);

  EXPECT_EQ(problem.in_signs, before.in_signs);
  EXPECT_EQ(problem.out_signs, before.out_signs);
}

TEST(SignSearch, ThreadsDoNotChangeTheSigns) {
  // Wider than what one block looks at: 16 blocks of 128.
  Problem one = make_problem(256, 128 * 20, 0.5f);
  Problem three = one;

  search(one, 1);
  search(three, 3);

  EXPECT_EQ(one.in_signs, three.in_signs);
  EXPECT_EQ(one.out_signs, three.out_signs);
}

}  // namespace
}  // namespace trellis
