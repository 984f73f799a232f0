#include "sampling/entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace trellis {
namespace {

double entropy_of(const std::vector<float>& logits) {
  Candidates candidates;
  candidates.assign(logits);
  return entropy(candidates);
}

TEST(Entropy, IsTheLogarithmOfTheSizeWhereAllAreEqual) {
  EXPECT_NEAR(entropy_of(std::vector<float>(1000, -3.5f)), std::log(1000.0), 1e-6);
  EXPECT_EQ(entropy_of({2.0f}), 0.0);
}

TEST(Entropy, IsTheExpectedSurprise) {
  // 1/2, 1/4, 1/8, 1/8: 1.75 bits.
  const auto log2 = static_cast<float>(std::log(2.0));
  EXPECT_NEAR(entropy_of({-log2, -2 * log2, -3 * log2, -3 * log2}), 1.75 * std::log(2.0), 1e-6);
}

TEST(Entropy, TakesImpossibleTokensForNone) {
  EXPECT_NEAR(entropy_of({1.0f, -INFINITY, 1.0f, NAN}), std::log(2.0), 1e-6);
}

}  // namespace
}  // namespace trellis
