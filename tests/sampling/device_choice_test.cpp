// What a sampler tells a device: the edits of a row do to its logits what the transforms do. That
// the device then chooses alike is shown in tests/backend/cuda/choose_tokens_test.cpp.
#include "backend/token_choice.h"
#include "sampling/pipeline.h"
#include "sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace trellis {
namespace {

const std::vector<float> kLogits = {0.5f, 2.0f, -1.0f, 2.3f, 1.1f, -0.7f, 0.3f, 0.0f};
const std::vector<int32_t> kPrompt = {1, 2, 2, 5, 6, 6, 6};

/// The logits with these edits, each of which must be of another id.
std::vector<float> edited(const std::vector<TokenEdit>& edits) {
  std::vector<float> logits = kLogits;
  std::set<int32_t> ids;
  for (const TokenEdit& edit : edits) {
    EXPECT_TRUE(ids.insert(edit.id).second) << edit.id;
    EXPECT_EQ(edit.row, 3);
    float& logit = logits[static_cast<size_t>(edit.id)];
    logit = edited_logit(logit, edit);
  }
  return logits;
}

std::vector<TokenEdit> edits_of(
    const SamplingParams& params, const std::vector<int32_t>& banned = {}
) {
  std::vector<TokenEdit> edits;
  const Sampler sampler(params, static_cast<int64_t>(kLogits.size()), kPrompt);
  EXPECT_TRUE(sampler.suits_device());
  sampler.device_choice(3, banned, edits);
  return edits;
}

void expect_edits_as_on_the_host(const SamplingParams& params) {
  Candidates candidates;
  candidates.assign(kLogits);
  apply_preferences(params, {TokenHistory(kPrompt)}, candidates);

  const std::vector<float> logits = edited(edits_of(params));

  for (size_t i = 0; i < logits.size(); ++i) EXPECT_EQ(logits[i], candidates.items()[i].logit);
}

TEST(DeviceChoice, EditsAsBiasAndPenaltiesDo) {
  SamplingParams params;
  params.logit_bias = {{2, 0.37f}, {4, -1.3f}};
  params.repetition_penalty = 1.3f;
  params.presence_penalty = 0.21f;
  params.frequency_penalty = 0.117f;
  expect_edits_as_on_the_host(params);
}

TEST(DeviceChoice, EditsAsPenaltiesWithARangeDo) {
  SamplingParams params;
  params.logit_bias = {{1, 0.37f}, {6, -1.3f}};
  params.repetition_penalty = 1.3f;
  params.frequency_penalty = 0.117f;
  params.penalty_range = 2;
  params.penalty_decay = 4;
  expect_edits_as_on_the_host(params);
}

TEST(DeviceChoice, BansEachIdOnceWhateverElseHappensToIt) {
  SamplingParams params;
  params.logit_bias = {{2, 5.0f}, {3, 5.0f}};
  params.repetition_penalty = 1.3f;

  const std::vector<float> logits = edited(edits_of(params, {2, 7, 3, 7, 1}));

  for (const size_t id : {1u, 2u, 3u, 7u}) EXPECT_EQ(logits[id], -INFINITY);
}

TEST(DeviceChoice, BansWhatTheRequestAndTheMomentBan) {
  SamplingParams params;
  params.banned_tokens = {4, 2, 4};
  params.logit_bias = {{2, 5.0f}};
  params.presence_penalty = 0.5f;

  const std::vector<float> logits = edited(edits_of(params, {2, 7}));

  for (const size_t id : {2u, 4u, 7u}) EXPECT_EQ(logits[id], -INFINITY);
  EXPECT_EQ(logits[3], kLogits[3]);
}

struct OnlyOnHost {
  const char* name;
  void (*switch_on)(SamplingParams&);
};

/// Requests with what a device does not know must keep the host's way.
class HostTransform : public testing::TestWithParam<OnlyOnHost> {};

TEST_P(HostTransform, KeepsTheHostsWay) {
  SamplingParams params;
  params.top_p = 0.9f;
  EXPECT_TRUE(Sampler(params, 8, kPrompt).suits_device());

  GetParam().switch_on(params);
  EXPECT_FALSE(Sampler(params, 8, kPrompt).suits_device());
}

TEST(DeviceChoice, KeepsTheHostsWayForAnotherOrderOfWhatIsSwitchedOn) {
  SamplingParams params;
  params.top_p = 0.9f;
  params.top_k = 5;
  params.sampler_order = {SamplingStep::kTopP, SamplingStep::kTopK};
  EXPECT_FALSE(Sampler(params, 8, kPrompt).suits_device());

  params.sampler_order = {SamplingStep::kTopK, SamplingStep::kMinP, SamplingStep::kTopP};
  EXPECT_TRUE(Sampler(params, 8, kPrompt).suits_device());

  params.min_p = 0.1f;
  EXPECT_FALSE(Sampler(params, 8, kPrompt).suits_device());
}

INSTANTIATE_TEST_SUITE_P(
    DeviceChoice, HostTransform,
    testing::Values(
        OnlyOnHost{"NoRepeatNgram", [](SamplingParams& p) { p.no_repeat_ngram_size = 3; }},
        OnlyOnHost{"TypicalP", [](SamplingParams& p) { p.typical_p = 0.9f; }},
        OnlyOnHost{"TopNSigma", [](SamplingParams& p) { p.top_n_sigma = 1.0f; }},
        OnlyOnHost{"DynamicTemperature", [](SamplingParams& p) { p.temperature_range = 0.5f; }},
        OnlyOnHost{"Xtc", [](SamplingParams& p) { p.xtc_probability = 0.5f; }},
        OnlyOnHost{"Dry", [](SamplingParams& p) { p.dry_multiplier = 0.8f; }},
        OnlyOnHost{"Mirostat", [](SamplingParams& p) { p.mirostat_tau = 5.0f; }}
    ),
    [](const auto& instance) { return instance.param.name; }
);

TEST(DeviceChoice, EditsNothingByDefault) {
  EXPECT_TRUE(edits_of({}).empty());
}

TEST(DeviceChoice, CarriesTheParametersAndThePositionInTheAnswer) {
  SamplingParams params;
  params.temperature = 0.7f;
  params.top_k = 5;
  params.top_p = 0.9f;
  params.min_p = 0.1f;
  params.seed = 0x123456789ABCDEF0;
  Sampler sampler(params, 6, kPrompt);
  sampler.accept(1);
  std::vector<TokenEdit> edits;

  const TokenChoice choice = sampler.device_choice(0, {}, edits);

  EXPECT_EQ(choice.vocab, 6);
  EXPECT_EQ(choice.temperature, 0.7f);
  EXPECT_EQ(choice.top_k, 5);
  EXPECT_EQ(choice.top_p, 0.9f);
  EXPECT_EQ(choice.log_min_p, std::log(0.1f));
  EXPECT_EQ(choice.seed_low, 0x9ABCDEF0u);
  EXPECT_EQ(choice.seed_high, 0x12345678u);
  EXPECT_EQ(choice.position, 1u);
}

TEST(TokenChoice, NoiseIsThatOfGumbel) {
  for (uint32_t i = 0; i < 100000; ++i) {
    const uint32_t bits = i * 2654435761u;
    const double u = (bits + 0.5) / 4294967296.0;
    const double exact = -std::log(-std::log(u));
    ASSERT_NEAR(gumbel_noise(bits), exact, 5e-7 * std::fmax(1.0, std::fabs(exact))) << bits;
  }
  EXPECT_NEAR(gumbel_noise(0), -std::log(33 * std::log(2.0)), 1e-6);
  EXPECT_NEAR(gumbel_noise(~0u), 33 * std::log(2.0), 1e-5);
}

TEST(TokenChoice, WeightsAreProbabilitiesInWholeUnits) {
  EXPECT_EQ(token_weight(0.0f), int64_t{1} << 40);
  EXPECT_NEAR(
      static_cast<double>(token_weight(1.0f)), std::exp(-1.0) * kWeightOne, 3e-7 * kWeightOne
  );
  EXPECT_EQ(token_weight(28.0f), 0);
  EXPECT_EQ(token_weight(INFINITY), 0);
  EXPECT_EQ(distance_behind(INFINITY, INFINITY), 0.0f);
}

}  // namespace
}  // namespace trellis
