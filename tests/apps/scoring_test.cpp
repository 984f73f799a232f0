#include "apps/trellis/scoring.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace trellis {
namespace {

constexpr double kTolerance = 1e-9;

TEST(Scoring, UniformLogitsCostTheLogarithmOfTheVocabulary) {
  const std::vector<float> logits(50, 3.5f);

  EXPECT_NEAR(score(logits, 7).nll, std::log(50.0), kTolerance);
}

TEST(Scoring, LargeLogitsDoNotOverflow) {
  const std::vector<float> logits = {30000.0f, 29999.0f};

  EXPECT_NEAR(score(logits, 0).nll, std::log1p(std::exp(-1.0)), kTolerance);
}

TEST(Scoring, DivergenceMatchesItsDefinition) {
  // Probabilities 1/2, 1/4, 1/4 and 1/4, 1/4, 1/2, with constants that cancel.
  const auto ln = [](double value) { return static_cast<float>(std::log(value)); };
  const std::vector<float> reference = {ln(0.5) + 4, ln(0.25) + 4, ln(0.25) + 4};
  const std::vector<float> logits = {ln(0.25) - 2, ln(0.25) - 2, ln(0.5) - 2};

  const ScoreSum sum = score(logits, reference, 0);

  EXPECT_NEAR(sum.kl_divergence, 0.5 * std::log(2.0) - 0.25 * std::log(2.0), 1e-6);
  EXPECT_NEAR(sum.nll, std::log(4.0), 1e-6);
  EXPECT_NEAR(sum.reference_nll, std::log(2.0), 1e-6);
  EXPECT_EQ(sum.agreements, 0);
}

TEST(Scoring, ModelAgreesWithItself) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 5);
  std::vector<float> logits(1000);
  for (float& logit : logits) logit = normal(random);

  const ScoreSum sum = score(logits, logits, 123);

  EXPECT_NEAR(sum.kl_divergence, 0, kTolerance);
  EXPECT_NEAR(sum.nll, sum.reference_nll, kTolerance);
  EXPECT_NEAR(sum.nll, score(logits, 123).nll, kTolerance);
  EXPECT_EQ(sum.agreements, 1);
}

TEST(Scoring, TiesGoToTheLowestId) {
  EXPECT_EQ(score(std::vector<float>{1, 2, 2}, std::vector<float>{0, 5, 1}, 0).agreements, 1);
  EXPECT_EQ(score(std::vector<float>{1, 2, 2}, std::vector<float>{0, 1, 5}, 0).agreements, 0);
}

TEST(Scoring, SumsAddUp) {
  ScoreSum sum = score(std::vector<float>{0, 0}, std::vector<float>{0, 0}, 0);

  sum += score(std::vector<float>{0, 0, 0, 0}, std::vector<float>{0, 0, 0, 0}, 3);

  EXPECT_EQ(sum.positions, 2);
  EXPECT_EQ(sum.agreements, 2);
  EXPECT_NEAR(sum.nll, std::log(8.0), kTolerance);
  EXPECT_NEAR(sum.reference_nll, std::log(8.0), kTolerance);
}

}  // namespace
}  // namespace trellis
