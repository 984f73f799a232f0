// An engine whose backend chooses tokens answers as one whose tokens the host chooses. A request
// that asks for log probabilities takes the host's way, so both are at hand.
#include "engine/engine_harness.h"

namespace trellis {
namespace {

class DeviceChoice : public EngineTest {
 protected:
  static Request asking(SamplingParams sampling, bool on_host) {
    Request request;
    request.prompt_ids = hello();
    request.sampling = std::move(sampling);
    request.ignore_eos = true;
    request.max_tokens = 8;
    request.logprobs = on_host ? 0 : -1;
    return request;
  }

  /// Several requests side by side, in the order of `params`, each on the host and on the device.
  static void expect_equal_answers(const std::vector<SamplingParams>& params) {
    std::vector<Submitted> answers;
    for (const SamplingParams& sampling : params) {
      answers.push_back(engine_->submit(asking(sampling, false)));
      answers.push_back(engine_->submit(asking(sampling, true)));
    }
    for (size_t i = 0; i < answers.size(); i += 2) {
      const Event on_device = collect(std::move(answers[i]));
      const Event on_host = collect(std::move(answers[i + 1]));
      EXPECT_EQ(on_device.token_ids.size(), 8u);
      EXPECT_EQ(on_device.token_ids, on_host.token_ids) << "request " << i / 2;
      EXPECT_EQ(on_device.text, on_host.text);
    }
  }

  static SamplingParams seeded(float temperature, uint64_t seed) {
    SamplingParams params;
    params.temperature = temperature;
    params.seed = seed;
    return params;
  }
};

TEST_F(DeviceChoice, IsTheHostsForGreedyAnswers) {
  SamplingParams penalized = seeded(0.0f, 0);
  penalized.repetition_penalty = 1.3f;
  penalized.logit_bias = {{5, 2.0f}};
  expect_equal_answers({seeded(0.0f, 0), penalized});
}

TEST_F(DeviceChoice, IsTheHostsForSeededAnswers) {
  SamplingParams cut = seeded(0.8f, 2);
  cut.top_k = 40;
  cut.top_p = 0.9f;
  cut.min_p = 0.02f;
  SamplingParams penalized = seeded(1.2f, 3);
  penalized.top_p = 0.95f;
  penalized.frequency_penalty = 0.5f;
  expect_equal_answers({seeded(1.0f, 1), cut, penalized});
}

/// The device would choose otherwise: what it does not know must not be left out.
TEST_F(DeviceChoice, IsTheHostsWhereTheDeviceDoesNotKnowATransform) {
  SamplingParams typical = seeded(1.0f, 4);
  typical.typical_p = 0.2f;
  SamplingParams excluding = seeded(1.5f, 5);
  excluding.xtc_probability = 1.0f;
  excluding.xtc_threshold = 0.02f;
  SamplingParams dry = seeded(0.0f, 6);
  dry.dry_multiplier = 5.0f;
  dry.dry_allowed_length = 1;
  SamplingParams mirostat = seeded(1.5f, 7);
  mirostat.mirostat_tau = 1.0f;
  SamplingParams reordered = seeded(3.0f, 8);
  reordered.top_p = 0.5f;
  reordered.sampler_order = {SamplingStep::kTopP, SamplingStep::kTemperature};
  expect_equal_answers({typical, excluding, dry, mirostat, reordered});
}

TEST_F(DeviceChoice, KeepsStopTokensBackUntilEnoughTokensHaveCome) {
  Request request = asking(seeded(0.0f, 0), false);
  request.ignore_eos = false;
  request.stop_token_ids = {-1, 1 << 30};
  request.min_tokens = 6;
  const Event on_device = collect(engine_->submit(request));
  request.logprobs = 0;
  const Event on_host = collect(engine_->submit(request));

  EXPECT_GE(on_device.token_ids.size(), 6u);
  EXPECT_EQ(on_device.token_ids, on_host.token_ids);
}

/// The device has begun the next step by then.
TEST_F(DeviceChoice, EndsAtAStopToken) {
  Request request = asking(seeded(0.0f, 0), false);
  request.ignore_eos = false;
  request.max_tokens = 30;
  const Event on_device = collect(engine_->submit(request));
  request.logprobs = 0;
  const Event on_host = collect(engine_->submit(request));

  EXPECT_EQ(on_device.finish_reason, FinishReason::kStop);
  EXPECT_EQ(on_device.token_ids, on_host.token_ids);
  EXPECT_EQ(on_device.text, on_host.text);
}

TEST_F(DeviceChoice, GoesOnWhereNoTokenIsPossible) {
  Request request = asking(seeded(1e-38f, 1), false);
  // All logits are negative, and over the temperature minus infinity: the lowest id comes that is
  // not banned, which is not the one that the next step began with.
  for (int32_t id = 0; id < engine_->info().vocab_size; ++id) {
    request.sampling.logit_bias[id] = -100.0f;
  }
  request.stop_token_ids = {0};
  request.min_tokens = 3;
  request.max_tokens = 5;
  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.token_ids, (std::vector<int32_t>{1, 1, 1, 0}));
}

/// The device has begun the step behind the token that completes a banned string.
TEST_F(DeviceChoice, IsTakenBackWithABannedString) {
  for (const float temperature : {0.0f, 1.2f}) {
    Request request = asking(seeded(temperature, 9), false);
    request.max_tokens = 24;
    request.banned_strings = {"a", "E ", "in"};
    const Event on_device = collect(engine_->submit(request));
    request.logprobs = 0;
    const Event on_host = collect(engine_->submit(request));

    EXPECT_EQ(on_device.token_ids.size(), 24u);
    EXPECT_EQ(on_device.token_ids, on_host.token_ids);
    EXPECT_EQ(on_device.text, on_host.text);
    EXPECT_EQ(on_device.text.find('a'), std::string::npos);
  }
}

TEST_F(DeviceChoice, LeavesHiddenStatesToPrompts) {
  Request request = asking(seeded(0.0f, 0), false);
  request.prompt_logprobs = 1;
  const Event on_device = collect(engine_->submit(request));
  request.logprobs = 0;
  const Event on_host = collect(engine_->submit(request));

  EXPECT_EQ(on_device.token_ids, on_host.token_ids);
  ASSERT_EQ(on_device.prompt_logprobs.size(), hello().size() - 1);
  for (size_t i = 0; i < on_device.prompt_logprobs.size(); ++i) {
    EXPECT_EQ(on_device.prompt_logprobs[i].logprob, on_host.prompt_logprobs[i].logprob);
  }
}

TEST_F(DeviceChoice, IsDroppedWithARequestThatIsCancelled) {
  Submitted cancelled = engine_->submit(asking(seeded(0.0f, 0), false));
  cancelled.value()->next();
  cancelled.value()->cancel();
  const Event after = collect(engine_->submit(asking(seeded(0.0f, 0), false)));

  EXPECT_EQ(after.token_ids.size(), 8u);
}

}  // namespace
}  // namespace trellis
