// Log probabilities of a prompt: those of a reference forward of the same tokens, however the
// prompt is cut into steps and whatever was computed before.
#include "engine/engine_harness.h"
#include "model/model_harness.h"

#include <cmath>

namespace trellis {
namespace {

constexpr int kTop = 3;

std::unique_ptr<Engine> load(int max_step_tokens, int num_pages = 8) {
  EngineOptions options = tiny_model_options();
  options.context_tokens = 512;
  options.cache_tokens = num_pages * 256;
  options.max_step_tokens = max_step_tokens;
  return Engine::load(options);
}

Request asking(size_t prompt_tokens, size_t first = 0) {
  Request request;
  for (size_t i = first; i < first + prompt_tokens; ++i) {
    request.prompt_ids.push_back(static_cast<int32_t>(3 + i * 7 % 611));
  }
  request.sampling.temperature = 1.0f;
  request.sampling.seed = 5;
  request.ignore_eos = true;
  request.max_tokens = 4;
  request.prompt_logprobs = kTop;
  return request;
}

/// log softmax of one row, in double.
std::vector<double> log_softmax(std::span<const float> logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - best);
  std::vector<double> result;
  for (const float logit : logits) result.push_back(logit - best - std::log(sum));
  return result;
}

void expect_same_prompt(const Event& answer, const Event& expected) {
  ASSERT_EQ(answer.prompt_logprobs.size(), expected.prompt_logprobs.size());
  for (size_t i = 0; i < answer.prompt_logprobs.size(); ++i) {
    EXPECT_EQ(answer.prompt_logprobs[i].token_id, expected.prompt_logprobs[i].token_id);
    EXPECT_EQ(answer.prompt_logprobs[i].logprob, expected.prompt_logprobs[i].logprob) << i;
    EXPECT_EQ(answer.prompt_logprobs[i].top, expected.prompt_logprobs[i].top) << i;
  }
}

TEST(PromptLogprobs, AreTheLogSoftmaxOfAReferenceForward) {
  const Request request = asking(300);
  const Event answer = collect(load(512)->submit(request));

  test::ModelHarness reference(kTinyModel, "reference");
  const std::vector<float> logits = reference.logits(request.prompt_ids, 300);
  const auto vocab = static_cast<size_t>(reference.config().vocab_size);
  ASSERT_EQ(answer.prompt_logprobs.size(), 299u);
  for (size_t i = 0; i < 299; ++i) {
    const TokenLogprob& token = answer.prompt_logprobs[i];
    const std::vector<double> expected = log_softmax(std::span(logits).subspan(i * vocab, vocab));
    EXPECT_EQ(token.token_id, request.prompt_ids[i + 1]);
    EXPECT_NEAR(token.logprob, expected[static_cast<size_t>(token.token_id)], 1e-4) << i;
    ASSERT_EQ(token.top.size(), static_cast<size_t>(kTop));
    std::vector<double> sorted = expected;
    std::sort(sorted.rbegin(), sorted.rend());
    for (size_t rank = 0; rank < kTop; ++rank) {
      EXPECT_NEAR(token.top[rank].second, sorted[rank], 1e-4) << i;
      EXPECT_NEAR(expected[static_cast<size_t>(token.top[rank].first)], sorted[rank], 1e-4) << i;
    }
  }
}

class PromptLogprobsInSteps : public testing::TestWithParam<int> {};

TEST_P(PromptLogprobsInSteps, AreThoseOfTheWholePrompt) {
  const Request request = asking(280);
  const Event expected = collect(load(512)->submit(request));
  const std::unique_ptr<Engine> engine = load(GetParam());

  Submitted other = engine->submit(asking(90, 7));
  Submitted among = engine->submit(request);
  const Event answer = collect(std::move(among));

  expect_same_prompt(answer, expected);
  EXPECT_EQ(answer.token_ids, expected.token_ids);
  expect_same_prompt(collect(std::move(other)), collect(load(512)->submit(asking(90, 7))));
}

INSTANTIATE_TEST_SUITE_P(
    Tokens, PromptLogprobsInSteps, testing::Values(1, 7, 33, 100), testing::PrintToStringParamName()
);

TEST(PromptLogprobs, AreComputedWhateverTheCacheHolds) {
  const std::unique_ptr<Engine> engine = load(512);
  Request request = asking(300);
  const Event cold = collect(engine->submit(request));
  const Event again = collect(engine->submit(request));

  expect_same_prompt(again, cold);
  EXPECT_EQ(again.usage.cached_tokens, 0);
  EXPECT_EQ(again.token_ids, cold.token_ids);

  // What was computed for it serves those who do not ask.
  request.prompt_logprobs = -1;
  const Event plain = collect(engine->submit(request));
  EXPECT_EQ(plain.usage.cached_tokens, 299);
  EXPECT_EQ(plain.token_ids, cold.token_ids);
  EXPECT_TRUE(plain.prompt_logprobs.empty());
}

/// More begin than the pool has pages for when they grow.
TEST(PromptLogprobs, SurviveTheLossOfPages) {
  const std::unique_ptr<Engine> engine = load(40, 3);
  std::vector<Request> requests;
  for (size_t i = 0; i < 4; ++i) {
    requests.push_back(asking(230, 300 * i));
    requests.back().max_tokens = 60;
  }
  const std::vector<Event> alone = collect_alone(*engine, requests);

  const std::vector<Event> together = collect_together(*engine, requests);
  int num_preemptions = 0;
  for (size_t i = 0; i < together.size(); ++i) {
    expect_same_prompt(together[i], alone[i]);
    EXPECT_EQ(together[i].token_ids, alone[i].token_ids);
    num_preemptions += together[i].usage.num_preemptions;
  }
  EXPECT_GT(num_preemptions, 0);
}

TEST(PromptLogprobs, ComeWithoutAnAnswerWhereNoneIsWanted) {
  const std::unique_ptr<Engine> engine = load(64);
  Request request = asking(512);
  request.max_tokens = 0;
  const Event answer = collect(engine->submit(request));

  EXPECT_EQ(answer.prompt_logprobs.size(), 511u);
  EXPECT_TRUE(answer.token_ids.empty());
  EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer.usage.prompt_tokens, 512);
  EXPECT_EQ(engine->stats().prompt_tokens, 512);

  request.max_tokens = 1;
  const Submitted refused = engine->submit(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "context_length_exceeded");
}

TEST(PromptLogprobs, AreNoneForASingleToken) {
  const Event answer = collect(load(64)->submit(asking(1)));

  EXPECT_TRUE(answer.prompt_logprobs.empty());
  EXPECT_EQ(answer.token_ids.size(), 4u);
}

}  // namespace
}  // namespace trellis
