#include "sampling/sampler.h"

#include "sampling/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace trellis {
namespace {

const std::vector<float> kLogits = {0.5f, 2.0f, -1.0f, 2.0f, 1.0f};

SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0.0f;
  return params;
}

TEST(Sampler, GreedyTakesTheMostProbableAndTheLowerIdOnTies) {
  Sampler sampler(greedy(), 5, {});

  EXPECT_EQ(sampler.sample({kLogits, {}}), 1);
}

TEST(Sampler, GreedyStillHonoursBiasAndPenalties) {
  SamplingParams params = greedy();
  params.presence_penalty = 1.5f;
  const std::vector<int32_t> prompt = {1};
  Sampler sampler(params, 5, prompt);

  EXPECT_EQ(sampler.sample({kLogits, {}}), 3);
  sampler.accept(3);
  EXPECT_EQ(sampler.sample({kLogits, {}}), 4);
}

TEST(Sampler, CountsThePromptAndTheAnswerForThePenalties) {
  SamplingParams params = greedy();
  params.frequency_penalty = 0.4f;
  const std::vector<int32_t> prompt = {1, 1, 3};
  Sampler sampler(params, 5, prompt);

  // 0.5, 2 - 0.8, -1, 2 - 0.4, 1; then, after each token, its own count once more.
  for (const int32_t expected : {3, 1, 3, 4}) {
    const int32_t token = sampler.sample({kLogits, {}});
    EXPECT_EQ(token, expected);
    sampler.accept(token);
  }
}

TEST(Sampler, TakesTokensBackAsIfTheyHadNotCome) {
  SamplingParams params;
  params.temperature = 2.0f;
  params.seed = 11;
  params.mirostat_tau = 1.5f;
  params.repetition_penalty = 1.3f;
  params.frequency_penalty = 0.2f;
  params.no_repeat_ngram_size = 3;
  const std::vector<int32_t> prompt = {1, 4};
  Sampler sampler(params, 5, prompt);
  Sampler other(params, 5, prompt);
  const auto run = [](Sampler& chooser, int count) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < count; ++i) {
      tokens.push_back(chooser.sample({kLogits, {}}));
      chooser.accept(tokens.back());
    }
    return tokens;
  };
  run(sampler, 4);
  run(other, 4);

  run(sampler, 6);
  sampler.take_back(6);
  sampler.take_back(0);

  EXPECT_EQ(run(sampler, 12), run(other, 12));
}

TEST(Sampler, NeverTakesBannedTokensNorThoseBeyondTheVocabulary) {
  const std::vector<int32_t> banned = {1};
  Sampler sampler(greedy(), 3, {});

  EXPECT_EQ(sampler.sample({kLogits, banned}), 0);
}

TEST(Sampler, NeverTakesARequestsBannedTokensWhateverTheirBias) {
  SamplingParams params = greedy();
  params.banned_tokens = {1, 3};
  params.logit_bias = {{1, 50.0f}};
  Sampler sampler(params, 5, {});
  const std::vector<float> none(5, NAN);

  EXPECT_EQ(sampler.sample({kLogits, {}}), 4);
  EXPECT_EQ(sampler.sample({kLogits, std::vector<int32_t>{4}}), 0);
  EXPECT_EQ(sampler.sample({none, std::vector<int32_t>{0}}), 2);
}

TokenMask only(const std::vector<int32_t>& ids) {
  TokenMask mask(5);
  for (const int32_t id : ids) mask.set(id, true);
  return mask;
}

TEST(Sampler, TakesAllowedTokensOnly) {
  SamplingParams drawing;
  drawing.temperature = 2.0f;
  drawing.seed = 3;
  Sampler greedy_sampler(greedy(), 5, {});
  Sampler drawing_sampler(drawing, 5, {});
  const TokenMask allowed = only({0, 2, 4});

  EXPECT_EQ(greedy_sampler.sample({kLogits, {}, &allowed}), 4);
  EXPECT_EQ(greedy_sampler.sample({kLogits, std::vector<int32_t>{4}, &allowed}), 0);
  for (int i = 0; i < 200; ++i) {
    const int32_t token = drawing_sampler.sample({kLogits, {}, &allowed});
    EXPECT_TRUE(allowed.allows(token)) << token;
    drawing_sampler.accept(token);
  }
}

TEST(Sampler, TakesTheLowestAllowedTokenWhereLogitsSayNothing) {
  const std::vector<float> none(5, NAN);
  const TokenMask allowed = only({2, 3, 4});
  SamplingParams params = greedy();
  params.banned_tokens = {3};
  Sampler sampler(params, 5, {});

  EXPECT_EQ(sampler.sample({none, {}, &allowed}), 2);
  EXPECT_EQ(sampler.sample({none, std::vector<int32_t>{2}, &allowed}), 4);
  EXPECT_EQ(sampler.sample({none, std::vector<int32_t>{2, 4}, &allowed}), -1);
}

/// A token without a choice surprises nobody, and counts as any other.
TEST(Sampler, NotesAForcedTokenAsOneThatWasChosenAmongNoOthers) {
  SamplingParams params;
  params.temperature = 1.5f;
  params.seed = 4;
  params.mirostat_tau = 1.0f;
  params.repetition_penalty = 1.3f;
  Sampler choosing(params, 5, {});
  Sampler forced(params, 5, {});
  const TokenMask one = only({2});

  for (int i = 0; i < 50; ++i) {
    const int32_t token = choosing.sample({kLogits, {}});
    ASSERT_EQ(forced.sample({kLogits, {}}), token);
    choosing.accept(token);
    forced.accept(token);
    choosing.accept(choosing.sample({kLogits, {}, &one}));
    forced.accept_forced(2);
  }
}

TEST(Sampler, NeverRepeatsAnNgramEvenGreedily) {
  SamplingParams params = greedy();
  params.no_repeat_ngram_size = 2;
  Sampler sampler(params, 5, std::vector<int32_t>{1});

  // 1 is the most probable, 3 the next; 1 1, 1 3, 3 1, 3 3, and so on come once each.
  for (const int32_t expected : {1, 3, 1, 4, 1, 0}) {
    const int32_t token = sampler.sample({kLogits, {}});
    EXPECT_EQ(token, expected);
    sampler.accept(token);
  }
}

TEST(Sampler, HoldsTheSurpriseAtMirostatsTarget) {
  // Steps of a quarter bit. Unbounded, the surprise of what comes would be 4.6 bits.
  std::vector<float> logits;
  for (int i = 0; i < 200; ++i) logits.push_back(static_cast<float>(-0.25 * i * std::log(2.0)));
  SamplingParams params;
  params.seed = 5;
  params.mirostat_tau = 2.0f;
  params.mirostat_eta = 0.1f;
  Sampler sampler(params, 200, {});
  constexpr int kDraws = 20000;

  double mu = 4.0;
  double sum_of_surprises = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    double total = 0.0;
    for (int id = 0; id < 200; ++id) total += std::exp2(-0.25 * id);
    double total_left = 1.0;
    for (int id = 1; 0.25 * id + std::log2(total) <= mu; ++id) total_left += std::exp2(-0.25 * id);
    const int32_t token = sampler.sample({logits, {}});
    // Later the rounding of fp32 has added up.
    if (i < 1000) {
      ASSERT_LE(token == 0 ? 0.0 : 0.25 * token + std::log2(total), mu + 1e-3) << i;
    }
    const double surprise = 0.25 * token + std::log2(total_left);
    sum_of_surprises += surprise;
    mu -= 0.1 * (surprise - 2.0);
    sampler.accept(token);
  }

  EXPECT_NEAR(sum_of_surprises / kDraws, 2.0, 0.01);
}

TEST(Sampler, TreatsNanAsImpossibleAndSurvivesARowOfNothingElse) {
  const std::vector<float> some = {NAN, 1.0f, NAN};
  const std::vector<float> none = {NAN, NAN, -INFINITY};
  const std::vector<int32_t> banned = {0};
  Sampler sampler(SamplingParams{}, 3, {});

  EXPECT_EQ(sampler.sample({some, {}}), 1);
  EXPECT_EQ(sampler.sample({none, banned}), 1);
}

TEST(Sampler, RepeatsItselfForTheSameSeedAndDiffersForAnother) {
  const std::vector<float> flat(1000, 0.0f);
  const auto draw = [&](uint64_t seed) {
    SamplingParams params;
    params.seed = seed;
    Sampler sampler(params, 1000, {});
    std::vector<int32_t> tokens;
    for (int i = 0; i < 20; ++i) {
      tokens.push_back(sampler.sample({flat, {}}));
      sampler.accept(tokens.back());
    }
    return tokens;
  };

  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Sampler, ChoosesTheSameTokenWithAndWithoutACutThatSparesIt) {
  SamplingParams params;
  params.seed = 99;
  Sampler whole(params, 5, {});
  params.top_k = 4;
  Sampler cut(params, 5, {});

  for (int i = 0; i < 200; ++i) {
    const int32_t token = whole.sample({kLogits, {}});
    if (token != 2) {
      EXPECT_EQ(cut.sample({kLogits, {}}), token);
    }
    whole.accept(0);
    cut.accept(0);
  }
}

TEST(ValidateSampling, NamesTheParameterThatIsOutOfRange) {
  const auto refused = [](auto change) {
    SamplingParams params;
    change(params);
    const auto error = validate(params, 100);
    return error ? error->parameter : "";
  };

  EXPECT_EQ(refused([](SamplingParams&) {}), "");
  EXPECT_EQ(refused([](SamplingParams& p) { p.temperature = -1.0f; }), "temperature");
  EXPECT_EQ(refused([](SamplingParams& p) { p.temperature = NAN; }), "temperature");
  EXPECT_EQ(refused([](SamplingParams& p) { p.top_p = 0.0f; }), "top_p");
  EXPECT_EQ(refused([](SamplingParams& p) { p.top_p = 1.5f; }), "top_p");
  EXPECT_EQ(refused([](SamplingParams& p) { p.typical_p = 0.0f; }), "typical_p");
  EXPECT_EQ(refused([](SamplingParams& p) { p.top_n_sigma = -1.0f; }), "top_n_sigma");
  EXPECT_EQ(refused([](SamplingParams& p) { p.temperature_range = -1.0f; }), "temperature_range");
  EXPECT_EQ(
      refused([](SamplingParams& p) { p.temperature_exponent = NAN; }), "temperature_exponent"
  );
  EXPECT_EQ(refused([](SamplingParams& p) { p.xtc_probability = 1.5f; }), "xtc_probability");
  EXPECT_EQ(refused([](SamplingParams& p) { p.xtc_threshold = 0.0f; }), "xtc_threshold");
  EXPECT_EQ(refused([](SamplingParams& p) { p.dry_multiplier = -0.1f; }), "dry_multiplier");
  EXPECT_EQ(refused([](SamplingParams& p) { p.dry_base = 0.9f; }), "dry_base");
  EXPECT_EQ(refused([](SamplingParams& p) { p.dry_allowed_length = 0; }), "dry_allowed_length");
  EXPECT_EQ(refused([](SamplingParams& p) { p.dry_range = -1; }), "dry_range");
  EXPECT_EQ(refused([](SamplingParams& p) { p.mirostat_tau = -1.0f; }), "mirostat_tau");
  EXPECT_EQ(refused([](SamplingParams& p) { p.mirostat_eta = 2.0f; }), "mirostat_eta");
  constexpr auto top_k = SamplingStep::kTopK;
  EXPECT_EQ(refused([](SamplingParams& p) { p.sampler_order = {top_k, top_k}; }), "sampler_order");
  EXPECT_EQ(refused([](SamplingParams& p) { p.min_p = -0.1f; }), "min_p");
  EXPECT_EQ(refused([](SamplingParams& p) { p.top_k = -1; }), "top_k");
  EXPECT_EQ(refused([](SamplingParams& p) { p.repetition_penalty = 0.0f; }), "repetition_penalty");
  EXPECT_EQ(refused([](SamplingParams& p) { p.penalty_range = -1; }), "penalty_range");
  EXPECT_EQ(
      refused([](SamplingParams& p) { p.no_repeat_ngram_size = -1; }), "no_repeat_ngram_size"
  );
  EXPECT_EQ(refused([](SamplingParams& p) { p.penalty_decay = 5; }), "penalty_decay");
  EXPECT_EQ(refused([](SamplingParams& p) { p.banned_tokens = {99}; }), "");
  EXPECT_EQ(refused([](SamplingParams& p) { p.banned_tokens = {100}; }), "banned_tokens");
  EXPECT_EQ(refused([](SamplingParams& p) { p.banned_tokens = {-1}; }), "banned_tokens");
  EXPECT_EQ(refused([](SamplingParams& p) { p.logit_bias = {{100, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(refused([](SamplingParams& p) { p.logit_bias = {{1, INFINITY}}; }), "logit_bias");
}

}  // namespace
}  // namespace trellis
