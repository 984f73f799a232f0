// Each transform on an example small enough to work by hand.
#include "sampling/transforms/ban_tokens.h"
#include "sampling/transforms/dry.h"
#include "sampling/transforms/dynamic_temperature.h"
#include "sampling/transforms/logit_bias.h"
#include "sampling/transforms/min_p.h"
#include "sampling/transforms/mirostat.h"
#include "sampling/transforms/no_repeat_ngram.h"
#include "sampling/transforms/penalties.h"
#include "sampling/transforms/temperature.h"
#include "sampling/transforms/top_k.h"
#include "sampling/transforms/top_n_sigma.h"
#include "sampling/transforms/top_p.h"
#include "sampling/transforms/typical_p.h"
#include "sampling/transforms/xtc.h"

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

/// The ids of finite logits.
std::vector<int32_t> possible(const Candidates& candidates) {
  std::vector<int32_t> result;
  for (const Candidate& item : candidates.items()) {
    if (item.logit > -INFINITY) result.push_back(item.id);
  }
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

TEST(BanTokens, MakesTheNamedTokensImpossibleAndIgnoresUnknownOnes) {
  Candidates candidates = with_logits({1.0f, 2.0f, 3.0f});

  ban_tokens(std::vector<int32_t>{2, -1, 3, 0, 2}, candidates);

  EXPECT_EQ(candidates.items()[0].logit, -INFINITY);
  EXPECT_EQ(candidates.items()[1].logit, 2.0f);
  EXPECT_EQ(candidates.items()[2].logit, -INFINITY);
}

TEST(Penalties, RepetitionDividesPositiveAndMultipliesNegativeLogitsOnce) {
  Candidates candidates = with_logits({2.0f, -2.0f, 2.0f});
  SamplingParams params;
  params.repetition_penalty = 2.0f;

  apply_penalties(params, TokenHistory({0, 0, 1, 0}), candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 1.0f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -4.0f);
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, 2.0f);
}

TEST(Penalties, PresenceCountsOnceAndFrequencyPerOccurrence) {
  Candidates candidates = with_logits({5.0f, 5.0f});
  SamplingParams params;
  params.presence_penalty = 0.5f;
  params.frequency_penalty = 0.25f;

  apply_penalties(params, TokenHistory({0, 0, 0, 0}), candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 5.0f - 0.5f - 4 * 0.25f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, 5.0f);
}

/// The ids that are still possible after these tokens.
std::vector<int32_t> possible_without_ngrams(int size, std::vector<int32_t> tokens) {
  Candidates candidates = with_logits(std::vector<float>(5, 1.0f));
  apply_no_repeat_ngram(size, TokenHistory(std::move(tokens)), candidates);
  return possible(candidates);
}

TEST(NoRepeatNgram, BansWhatWouldCompleteAnNgramThatHasCome) {
  using testing::ElementsAre;
  // 1 2 3 and 1 2 4 have come; 1 2 again leads to neither.
  EXPECT_THAT(possible_without_ngrams(3, {1, 2, 3, 1, 2, 4, 1, 2}), ElementsAre(0, 1, 2));
  // 2 1 has come, 2 2 has not.
  EXPECT_THAT(possible_without_ngrams(2, {2, 1, 0, 2}), ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(possible_without_ngrams(1, {3, 0, 3}), ElementsAre(1, 2, 4));
}

TEST(NoRepeatNgram, SeesNgramsThatOverlapTheEnd) {
  EXPECT_THAT(possible_without_ngrams(3, {0, 0, 0}), testing::ElementsAre(1, 2, 3, 4));
}

TEST(NoRepeatNgram, BansNothingBeforeOneNgramHasCome) {
  EXPECT_EQ(possible_without_ngrams(3, {1, 1}).size(), 5u);
  EXPECT_EQ(possible_without_ngrams(1, {}).size(), 5u);
  EXPECT_EQ(possible_without_ngrams(1000000, {1, 1, 1}).size(), 5u);
}

/// What DRY takes from each of five tokens after these, with multiplier 0.8, base 1.75 and allowed
/// length 2.
std::vector<float> dry_penalties(
    std::vector<int32_t> tokens, std::set<int32_t> breakers = {}, int range = 0
) {
  SamplingParams params;
  params.dry_multiplier = 0.8f;
  params.dry_breaker_ids = std::move(breakers);
  params.dry_range = range;
  Candidates candidates = with_logits(std::vector<float>(5, 0.0f));
  apply_dry(params, TokenHistory(std::move(tokens)), candidates);
  std::vector<float> penalties;
  for (const Candidate& item : candidates.items()) penalties.push_back(-item.logit);
  return penalties;
}

testing::Matcher<std::vector<float>> penalties(const std::vector<float>& expected) {
  return testing::Pointwise(testing::FloatEq(), expected);
}

TEST(Dry, PenalizesByTheLengthOfTheRepetition) {
  // 4 followed 1 2 3: three tokens, one more than allowed.
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}), penalties({0, 0, 0, 0, 0.8f * 1.75f}));
  // 0 followed 3 only.
  EXPECT_THAT(dry_penalties({3, 0, 1, 2, 3}), penalties({0, 0, 0, 0, 0}));
}

TEST(Dry, TakesTheLongestRepetitionOfEachToken) {
  // 0 followed 2 3 and then 1 2 3; 4 followed 2 3.
  EXPECT_THAT(
      dry_penalties({2, 3, 0, 1, 2, 3, 0, 2, 3, 4, 1, 2, 3}),
      penalties({0.8f * 1.75f, 0, 0, 0, 0.8f})
  );
}

TEST(Dry, SeesRepetitionsThatOverlapThemselves) {
  EXPECT_THAT(dry_penalties({0, 0, 0, 0}), penalties({0.8f * 1.75f, 0, 0, 0, 0}));
}

TEST(Dry, StopsRepetitionsAtBreakersAndSparesThese) {
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {1}), penalties({0, 0, 0, 0, 0.8f}));
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {2}), penalties({0, 0, 0, 0, 0}));
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {4}), penalties({0, 0, 0, 0, 0}));
}

TEST(Dry, LooksAtItsRangeOnly) {
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {}, 4), penalties({0, 0, 0, 0, 0}));
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {}, 6), penalties({0, 0, 0, 0, 0.8f}));
  EXPECT_THAT(dry_penalties({1, 2, 3, 4, 1, 2, 3}, {}, 100), penalties({0, 0, 0, 0, 0.8f * 1.75f}));
}

TEST(Dry, SurvivesNoTokensAndLeavesLogitsFiniteForVeryLongRepetitions) {
  EXPECT_THAT(dry_penalties({}), penalties({0, 0, 0, 0, 0}));
  EXPECT_THAT(dry_penalties(std::vector<int32_t>(5000, 1)), penalties({0, 1e30f, 0, 0, 0}));
}

TEST(Dry, FindsTheLengthsThatComparingEachPairFinds) {
  std::vector<int32_t> tokens;
  for (uint32_t i = 0; i < 300; ++i) tokens.push_back((i * 2654435761u >> 20) % 3 == 0 ? 1 : 0);

  const std::vector<size_t> lengths = repeated_lengths(tokens);

  for (size_t i = 1; i < tokens.size(); ++i) {
    size_t expected = 0;
    while (i + expected < tokens.size() &&
           tokens[tokens.size() - 1 - expected] == tokens[tokens.size() - 1 - i - expected]) {
      ++expected;
    }
    ASSERT_EQ(lengths[i], expected) << i;
  }
}

/// Of eight tokens, three in the range and four behind it that fade: strengths of the tokens from
/// the first on, 0, 0, 1/4, 1/2, 3/4, 1, 1, 1.
SamplingParams fading() {
  SamplingParams params;
  params.penalty_range = 3;
  params.penalty_decay = 4;
  return params;
}
const TokenHistory kFadingHistory({5, 4, 3, 1, 2, 0, 1, 0});

TEST(Penalties, RepetitionFadesBehindItsRange) {
  Candidates candidates = with_logits({3.0f, -1.0f, -1.0f, 3.0f, 3.0f, 3.0f});
  SamplingParams params = fading();
  params.repetition_penalty = 3.0f;

  apply_penalties(params, kFadingHistory, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 3.0f / 3);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -3.0f);  // its strongest occurrence counts
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, -2.5f);  // 1 + 2 * 3/4
  EXPECT_FLOAT_EQ(candidates.items()[3].logit, 2.0f);   // 3 / (1 + 2 * 1/4)
  EXPECT_FLOAT_EQ(candidates.items()[4].logit, 3.0f);
  EXPECT_FLOAT_EQ(candidates.items()[5].logit, 3.0f);
}

TEST(Penalties, PresenceAndFrequencyFadeBehindTheirRange) {
  Candidates candidates = with_logits(std::vector<float>(6, 0.0f));
  SamplingParams params = fading();
  params.presence_penalty = 8.0f;
  params.frequency_penalty = 0.5f;

  apply_penalties(params, kFadingHistory, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, -(8.0f + 2 * 0.5f));
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -(8.0f + 1.5f * 0.5f));
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, -(6.0f + 0.75f * 0.5f));
  EXPECT_FLOAT_EQ(candidates.items()[3].logit, -(2.0f + 0.25f * 0.5f));
  EXPECT_FLOAT_EQ(candidates.items()[4].logit, 0.0f);
  EXPECT_FLOAT_EQ(candidates.items()[5].logit, 0.0f);
}

TEST(Penalties, EndAtTheirRangeWithoutDecay) {
  Candidates candidates = with_logits({1.0f, 1.0f, 1.0f});
  SamplingParams params;
  params.frequency_penalty = 0.25f;
  params.penalty_range = 2;

  apply_penalties(params, TokenHistory({2, 1, 0, 1}), candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 0.75f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, 0.75f);
  EXPECT_FLOAT_EQ(candidates.items()[2].logit, 1.0f);
}

TEST(Penalties, LookAtAllTokensWhereTheRangeHoldsThem) {
  const TokenHistory history({0, 2, 2, 0, 1, 2});
  SamplingParams params;
  params.repetition_penalty = 1.3f;
  params.presence_penalty = 0.3f;
  params.frequency_penalty = 0.7f;
  Candidates all = with_logits({1.5f, -0.5f, 0.25f, 2.0f});
  Candidates ranged = all;

  apply_penalties(params, history, all);
  params.penalty_range = 6;
  apply_penalties(params, history, ranged);

  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(ranged.items()[i].logit, all.items()[i].logit);
}

// 1/2, 1/4, 1/8 and 1/8 surprise by 1, 2, 3 and 3 bits.
TEST(Mirostat, CutsWhatSurprisesMoreThanMu) {
  const auto kept = [](float mu) {
    Candidates candidates = with_probabilities({0.125, 0.5, 0.125, 0.25});
    apply_mirostat(mu, candidates);
    return ids(candidates);
  };

  EXPECT_THAT(kept(3.01f), testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept(2.99f), testing::ElementsAre(1, 3));
  EXPECT_THAT(kept(1.99f), testing::ElementsAre(1));
  EXPECT_THAT(kept(-7.0f), testing::ElementsAre(1));
}

TEST(Mirostat, MovesMuByTheSurpriseAmongTheTokensLeft) {
  SamplingParams params;
  params.mirostat_tau = 3.0f;
  params.mirostat_eta = 0.5f;
  EXPECT_EQ(first_mirostat_mu(params), 6.0f);
  Candidates candidates = with_probabilities({0.125, 0.5, 0.125, 0.25});
  EXPECT_NEAR(next_mirostat_mu(params, 6.0f, candidates, 3), 6.0 - 0.5 * (2.0 - 3.0), 1e-5);

  // Without the two least probable: 1/2 of 3/4.
  apply_mirostat(2.5f, candidates);
  const double surprise = std::log2(1.5);
  EXPECT_NEAR(next_mirostat_mu(params, 2.5f, candidates, 1), 2.5 - 0.5 * (surprise - 3.0), 1e-5);
  EXPECT_EQ(next_mirostat_mu(params, 2.5f, candidates, 0), 2.5f);
}

/// The probabilities of tokens 0, 1, 2, ... of the candidates, whatever their order.
std::vector<double> probabilities_of(const Candidates& candidates, size_t vocab) {
  std::vector<double> result(vocab, 0.0);
  double total = 0.0;
  for (const Candidate& item : candidates.items()) {
    const double weight = std::exp(static_cast<double>(item.logit));
    result[static_cast<size_t>(item.id)] = weight;
    total += weight;
  }
  for (double& p : result) p /= total;
  return result;
}

std::vector<double> after_xtc(
    float probability, float threshold, const std::vector<double>& probabilities
) {
  Candidates candidates = with_probabilities(probabilities);
  apply_xtc(probability, threshold, candidates);
  return probabilities_of(candidates, probabilities.size());
}

testing::Matcher<std::vector<double>> near(const std::vector<double>& expected) {
  return testing::Pointwise(testing::DoubleNear(1e-6), expected);
}

TEST(Xtc, ExcludesTheTopChoicesButTheLeastProbableOfThem) {
  // 0.4 and 0.3 go; 0.2 is the last of at least 0.15.
  EXPECT_THAT(after_xtc(1.0f, 0.15f, {0.1, 0.4, 0.2, 0.3}), near({0.1 / 0.3, 0.0, 0.2 / 0.3, 0.0}));
}

TEST(Xtc, MixesBothOutcomesByTheirProbability) {
  // A quarter of the time 0.1 and 0.2 share all, otherwise nothing changes.
  EXPECT_THAT(
      after_xtc(0.25f, 0.15f, {0.1, 0.4, 0.2, 0.3}),
      near({0.75 * 0.1 + 0.25 / 3, 0.75 * 0.4, 0.75 * 0.2 + 0.5 / 3, 0.75 * 0.3})
  );
}

TEST(Xtc, LeavesASingleTopChoiceAlone) {
  EXPECT_THAT(after_xtc(1.0f, 0.35f, {0.1, 0.4, 0.2, 0.3}), near({0.1, 0.4, 0.2, 0.3}));
  EXPECT_THAT(after_xtc(1.0f, 0.51f, {0.5, 0.5}), near({0.5, 0.5}));
  EXPECT_THAT(after_xtc(1.0f, 0.1f, {1.0}), near({1.0}));
}

TEST(Xtc, KeepsTheHighestIdOfEqualTopChoices) {
  EXPECT_THAT(after_xtc(1.0f, 0.2f, {0.25, 0.25, 0.25, 0.25}), near({0.0, 0.0, 0.0, 1.0}));
}

TEST(Temperature, DividesLogits) {
  Candidates candidates = with_logits({1.0f, -3.0f});

  apply_temperature(0.5f, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, 2.0f);
  EXPECT_FLOAT_EQ(candidates.items()[1].logit, -6.0f);
}

/// What the first logit of these tokens was divided by.
float dynamic_temperature(
    float temperature, float range, float exponent, const std::vector<double>& probabilities
) {
  Candidates candidates = with_probabilities(probabilities);
  const float before = candidates.items()[0].logit;
  apply_dynamic_temperature(temperature, range, exponent, candidates);
  EXPECT_EQ(candidates.size(), probabilities.size());
  return before / candidates.items()[0].logit;
}

TEST(DynamicTemperature, FollowsTheEntropy) {
  // 1.75 bits of 2.
  const std::vector<double> unsure = {0.5, 0.25, 0.125, 0.125};

  EXPECT_NEAR(dynamic_temperature(1.0f, 0.5f, 1.0f, unsure), 0.5 + 0.875, 1e-5);
  EXPECT_NEAR(dynamic_temperature(1.0f, 0.5f, 2.0f, unsure), 0.5 + 0.875 * 0.875, 1e-5);
  EXPECT_NEAR(dynamic_temperature(1.0f, 3.0f, 1.0f, unsure), 4.0 * 0.875, 1e-5);
  EXPECT_NEAR(dynamic_temperature(1.0f, 0.5f, 0.0f, unsure), 1.5, 1e-5);
}

TEST(DynamicTemperature, IsHighestWhereAllAreEqualImpossibleOnesLeftOut) {
  EXPECT_NEAR(dynamic_temperature(0.8f, 0.3f, 1.0f, {0.25, 0.25, 0.0, 0.25, 0.25}), 1.1, 1e-5);
}

TEST(DynamicTemperature, KeepsTheBestTokenAlone) {
  Candidates one = with_logits({-INFINITY, 3.0f});
  apply_dynamic_temperature(1.0f, 0.5f, 1.0f, one);
  EXPECT_FLOAT_EQ(one.items()[1].logit, 3.0f);

  // No entropy that the weights show: the temperature is 0.
  Candidates sure = with_logits({1.0f, 100.0f, 2.0f});
  apply_dynamic_temperature(0.5f, 0.5f, 1.0f, sure);
  EXPECT_THAT(ids(sure), testing::ElementsAre(1));
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

// Surprises of 1/2, 1/4, 1/8 and 1/8: 1, 2, 3 and 3 bits, 1.75 expected. So 1/4 is the nearest with
// a deviation of 1/4 bit, then 1/2 with 3/4, then the others with 5/4.
TEST(TypicalP, TakesTheTokensNearestToTheExpectedSurpriseUntilTheyReachP) {
  const auto kept = [](float p) {
    Candidates candidates = with_probabilities({0.125, 0.5, 0.25, 0.125});
    apply_typical_p(p, candidates);
    return ids(candidates);
  };

  EXPECT_THAT(kept(0.001f), testing::ElementsAre(2));
  EXPECT_THAT(kept(0.24f), testing::ElementsAre(2));
  EXPECT_THAT(kept(0.3f), testing::ElementsAre(2, 1));
  EXPECT_THAT(kept(0.74f), testing::ElementsAre(2, 1));
  EXPECT_THAT(kept(0.8f), testing::ElementsAre(2, 1, 0));
  EXPECT_THAT(kept(0.99f), testing::ElementsAre(2, 1, 0, 3));
}

TEST(TypicalP, KeepsTheLowerIdsWhereAllAreEqual) {
  Candidates candidates = with_probabilities(std::vector<double>(10, 0.1));

  apply_typical_p(0.35f, candidates);

  EXPECT_THAT(ids(candidates), testing::ElementsAre(0, 1, 2, 3));
}

TEST(TypicalP, KeepsTheOnlyTokenAndSurvivesImpossibleOnes) {
  Candidates one = with_logits({3.0f});
  Candidates impossible = with_logits({-INFINITY, 1.0f, -INFINITY});

  apply_typical_p(0.5f, one);
  apply_typical_p(0.5f, impossible);

  EXPECT_EQ(one.size(), 1u);
  EXPECT_THAT(ids(impossible), testing::ElementsAre(1));
}

std::vector<int32_t> kept_by_sigma(float n, const std::vector<float>& logits) {
  Candidates candidates = with_logits(logits);
  apply_top_n_sigma(n, candidates);
  return ids(candidates);
}

// 1, 2, 3, 4 and 10: mean 4, variance (9 + 4 + 1 + 0 + 36) / 5 = 10, deviation 3.162.
TEST(TopNSigma, CutsAtDeviationsBehindTheBestLogit) {
  const std::vector<float> logits = {1.0f, 10.0f, 3.0f, 4.0f, 2.0f};

  EXPECT_THAT(kept_by_sigma(1.0f, logits), testing::ElementsAre(1));        // from 6.84
  EXPECT_THAT(kept_by_sigma(2.0f, logits), testing::ElementsAre(1, 3));     // from 3.68
  EXPECT_THAT(kept_by_sigma(2.5f, logits), testing::ElementsAre(1, 2, 3));  // from 2.09
}

TEST(TopNSigma, KeepsTheSameTokensAtAnyTemperature) {
  const std::vector<float> logits = {1.0f, 10.0f, 3.0f, 4.0f, 2.0f};
  for (const float temperature : {0.25f, 4.0f}) {
    Candidates candidates = with_logits(logits);
    apply_temperature(temperature, candidates);
    apply_top_n_sigma(2.0f, candidates);
    EXPECT_THAT(ids(candidates), testing::ElementsAre(1, 3)) << temperature;
  }
}

TEST(TopNSigma, LeavesImpossibleTokensOutOfTheDeviation) {
  EXPECT_THAT(
      kept_by_sigma(2.0f, {1.0f, 10.0f, 3.0f, -INFINITY, 4.0f, NAN, 2.0f}),
      testing::ElementsAre(1, 4)
  );
}

TEST(TopNSigma, KeepsEqualTokensAndTheOnlyOne) {
  EXPECT_EQ(kept_by_sigma(0.001f, std::vector<float>(7, 100.1f)).size(), 7u);
  EXPECT_THAT(kept_by_sigma(0.001f, {-5.0f}), testing::ElementsAre(0));
  EXPECT_EQ(kept_by_sigma(1.0f, {-INFINITY, -INFINITY}).size(), 2u);
}

TEST(MinP, KeepsTokensRelativeToTheBest) {
  Candidates candidates = with_probabilities({0.5, 0.3, 0.15, 0.05});

  apply_min_p(0.2f, candidates);

  EXPECT_THAT(ids(candidates), testing::UnorderedElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace trellis
