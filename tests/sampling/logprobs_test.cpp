#include "sampling/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace trellis {
namespace {

TEST(RawLogprob, IsTheNaturalLogarithmOfTheSoftmax) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};

  const TokenLogprob result = raw_logprob(logits, 0, 2);

  EXPECT_NEAR(result.logprob, std::log(1.0 / 8.0), 1e-6);
  ASSERT_EQ(result.top.size(), 2u);
  EXPECT_EQ(result.top[0].first, 2);
  EXPECT_NEAR(result.top[0].second, std::log(5.0 / 8.0), 1e-6);
  EXPECT_EQ(result.top[1].first, 1);
}

TEST(RawLogprob, StaysFiniteForHugeLogits) {
  const std::vector<float> logits = {10000.0f, 9999.0f};

  EXPECT_NEAR(raw_logprob(logits, 1, 0).logprob, -1.0 - std::log1p(std::exp(-1.0)), 1e-5);
}

TEST(RawLogprob, OrdersTiesByTokenId) {
  const std::vector<float> logits = {1.0f, 3.0f, 3.0f};

  const TokenLogprob result = raw_logprob(logits, 2, 3);

  EXPECT_EQ(result.top[0].first, 1);
  EXPECT_EQ(result.top[1].first, 2);
}

}  // namespace
}  // namespace trellis
