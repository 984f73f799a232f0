// Each transform on an example small enough to work by hand.
#include "sampling/transforms/logit_bias.h"
#include "sampling/transforms/min_p.h"
#include "sampling/transforms/penalties.h"
#include "sampling/transforms/temperature.h"
#include "sampling/transforms/top_k.h"
#include "sampling/transforms/top_p.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

/// Tokens 0, 1, 2, ... with these probabilities.
Candidates with_probabilities(std::vector<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  Candidates candidates;
  candidates.assign(logits);
  return candidates;
}

Candidates with_logits(const std::vector<float>& logits) {
  Candidates candidates;
  candidates.assign(logits);
  return candidates;
}

std::vector<int32_t> ids(const Candidates& candidates) {
  std::vector<int32_t> result;
  for (const Candidate& item : candidates.items()) result.push_back(item.id);
  return result;
}

TEST(LogitBias, AddsToTheNamedTokensOnly) {
  Candidates candidates = with_logits({1.0f, 2.0f, 3.0f});
  SamplingParams params;
  params.logit_bias = {{0, 5.0f}, {2, -100.0f}};

  apply_logit_bias(params, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 6.0f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, 2.0f);
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, -97.0f);
}

TEST(Penalties, RepetitionDividesPositiveAndMultipliesNegativeLogitsOnce) {
  Candidates candidates = with_logits({2.0f, -2.0f, 2.0f});
  SamplingParams params;
  params.repetition_penalty = 2.0f;

  apply_penalties(params, {{0, 3}, {1, 1}}, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 1.0f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -4.0f);
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, 2.0f);
}

TEST(Penalties, PresenceCountsOnceAndFrequencyPerOccurrence) {
  Candidates candidates = with_logits({5.0f, 5.0f});
  SamplingParams params;
  params.presence_penalty = 0.5f;
  params.frequency_penalty = 0.25f;

  apply_penalties(params, {{0, 4}}, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 5.0f - 0.5f - 4 * 0.25f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, 5.0f);
}

TEST(Temperature, DividesLogits) {
  Candidates candidates = with_logits({1.0f, -3.0f});

  apply_temperature(0.5f, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 2.0f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -6.0f);
}

TEST(TopK, KeepsTheMostProbableAndLowerIdsOnTies) {
  Candidates candidates = with_logits({1.0f, 3.0f, 2.0f, 2.0f, 0.0f});

  apply_top_k(2, candidates);

  EXPECT_THAT(ids(candidates), testing::ElementsAre(1, 2));
}

TEST(TopK, KeepsAllWhenKExceedsTheVocabulary) {
  Candidates candidates = with_logits({1.0f, 3.0f});

  apply_top_k(50, candidates);

  EXPECT_EQ(candidates.size(), 2u);
}

TEST(TopP, KeepsTheSmallestSetThatReachesP) {
  Candidates candidates = with_probabilities({0.1, 0.4, 0.2, 0.3});

  apply_top_p(0.65f, candidates);

  EXPECT_THAT(ids(candidates), testing::ElementsAre(1, 3));
}

TEST(TopP, KeepsOneTokenHoweverSmallP) {
  Candidates candidates = with_probabilities({0.1, 0.4, 0.2, 0.3});

  apply_top_p(0.0001f, candidates);

  EXPECT_THAT(ids(candidates), testing::ElementsAre(1));
}

TEST(TopP, FindsANucleusLargerThanItsFirstFront) {
  Candidates candidates = with_probabilities(std::vector<double>(2000, 1.0 / 2000));

  apply_top_p(0.4999f, candidates);

  EXPECT_NEAR(static_cast<double>(candidates.size()), 1000.0, 1.0);
  EXPECT_EQ(candidates.items().front().id, 0);
}

TEST(MinP, KeepsTokensRelativeToTheBest) {
  Candidates candidates = with_probabilities({0.5, 0.3, 0.15, 0.05});

  apply_min_p(0.2f, candidates);

  EXPECT_THAT(ids(candidates), testing::UnorderedElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace trellis
