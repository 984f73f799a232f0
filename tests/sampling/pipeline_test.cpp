// The order of the transforms, by examples that come out differently in another order.
#include "sampling/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace trellis {
namespace {

using testing::ElementsAre;

/// The ids that remain of tokens 0, 1, 2, ... with these probabilities.
std::vector<int32_t> kept(std::vector<double> probabilities, const SamplingParams& params) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  Candidates candidates;
  candidates.assign(logits);
  apply_transforms(params, {}, candidates);
  std::vector<int32_t> ids;
  for (const Candidate& item : candidates.items()) ids.push_back(item.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST(Pipeline, AddsTheBiasBeforeThePenalties) {
  Candidates candidates;
  candidates.assign(std::vector<float>{1.0f, 0.0f});
  SamplingParams params;
  params.logit_bias = {{0, -2.0f}};
  params.repetition_penalty = 2.0f;
  params.frequency_penalty = 0.25f;

  apply_transforms(params, {TokenHistory({0, 0, 0})}, candidates);

  EXPECT_FLOAT_EQ(candidates.items()[0].logit, -1.0f * 2.0f - 3 * 0.25f);
}

TEST(Pipeline, FlattensBeforeItCuts) {
  SamplingParams params;
  params.top_p = 0.45f;
  EXPECT_THAT(kept({0.5, 0.3, 0.2}, params), ElementsAre(0));

  params.temperature = 2.0f;
  EXPECT_THAT(kept({0.5, 0.3, 0.2}, params), ElementsAre(0, 1));
}

TEST(Pipeline, CutsByTopKThenByTopPThenByMinP) {
  SamplingParams params;
  params.top_p = 0.55f;
  EXPECT_THAT(kept({0.4, 0.3, 0.2, 0.1}, params), ElementsAre(0, 1));

  params.top_k = 2;
  EXPECT_THAT(kept({0.4, 0.3, 0.2, 0.1}, params), ElementsAre(0));

  params.top_k = 0;
  params.min_p = 0.6f;
  EXPECT_THAT(kept({0.4, 0.3, 0.2, 0.1}, params), ElementsAre(0, 1));
}

TEST(Pipeline, FollowsTheRequestsOrder) {
  SamplingParams params;
  params.temperature = 2.0f;
  params.top_p = 0.45f;
  params.sampler_order = {SamplingStep::kTopP, SamplingStep::kTemperature};
  EXPECT_THAT(kept({0.5, 0.3, 0.2}, params), ElementsAre(0));

  // Two of three are 0.625 and 0.375; of all, 0.5 and 0.3.
  params = {};
  params.top_k = 2;
  params.top_p = 0.6f;
  EXPECT_THAT(kept({0.5, 0.3, 0.2}, params), ElementsAre(0));
  params.sampler_order = {SamplingStep::kTopP};
  EXPECT_THAT(kept({0.5, 0.3, 0.2}, params), ElementsAre(0, 1));
}

TEST(Pipeline, AppliesWhatTheOrderDoesNotNameAfterwards) {
  SamplingParams params;
  params.sampler_order = {SamplingStep::kMinP};
  params.min_p = 0.3f;
  params.top_k = 1;

  EXPECT_THAT(kept({0.2, 0.5, 0.3}, params), ElementsAre(1));
}

TEST(Pipeline, AppliesPreferencesBeforeAnyOrder) {
  SamplingParams params;
  params.sampler_order = {SamplingStep::kTopK};
  params.top_k = 1;
  params.banned_tokens = {1};
  params.no_repeat_ngram_size = 5;

  EXPECT_THAT(kept({0.2, 0.5, 0.3}, params), ElementsAre(2));
}

TEST(Pipeline, KnowsTheNamesOfItsSteps) {
  for (const char* name :
       {"temperature", "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc", "mirostat"}) {
    const auto step = parse_sampling_step(name);
    ASSERT_TRUE(step.has_value()) << name;
    EXPECT_EQ(sampling_step_name(*step), name);
  }
  EXPECT_FALSE(parse_sampling_step("top-k").has_value());
  EXPECT_FALSE(parse_sampling_step("").has_value());
}

TEST(Pipeline, KeepsEveryTokenByDefault) {
  EXPECT_THAT(kept({0.4, 0.3, 0.2, 0.1}, {}), ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace trellis
