// Forced tokens cost no steps of their own: what the scheduler plans for a generation with a
// grammar, whose logits are noise.
#include "engine/engine_harness.h"
#include "engine/generation.h"
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

struct Outcome {
  int num_steps = 0;
  Event answer;
};

class ForcedTokens : public testing::Test {
 protected:
  Outcome run(const Grammar& grammar, int logprobs, int max_step_tokens = 512) {
    const CompiledGrammar compiled(*tokenizer_, grammar);
    Request request;
    request.prompt_ids = std::vector<int32_t>(10, 7);
    request.sampling.seed = 5;
    request.logprobs = logprobs;
    PagePool pool(4);
    EngineMetrics metrics;
    Scheduler scheduler({1, max_step_tokens});
    const auto channel = std::make_shared<EventChannel>();
    Generation generation(
        request, {}, 500, pool, *tokenizer_, channel, Generation::Clock::now(), metrics,
        std::make_unique<Constraint>(compiled, workers_)
    );
    scheduler.add(generation.sequence());
    std::vector<float> logits(static_cast<size_t>(tokenizer_->vocab_size()));
    Outcome result;
    for (bool finished = false; !finished; ++result.num_steps) {
      const auto planned = scheduler.plan();
      scheduler.commit(planned);
      generation.start();
      if (!planned.front().wants_logits) continue;
      std::mt19937 random(static_cast<uint32_t>(generation.sequence().num_tokens()));
      std::normal_distribution<float> noise;
      for (float& logit : logits) logit = noise(random);
      finished = generation.advance(logits);
      const bool forced =
          !finished && generation.knows_forced(Generation::Clock::now() + std::chrono::seconds(60));
      if (forced) finished = generation.take_forced();
    }
    scheduler.remove(generation.sequence());
    result.answer = *channel->pop();
    return result;
  }

  std::unique_ptr<Tokenizer> tokenizer_ = Tokenizer::from_file(kTinyModel + "/tokenizer.json");
  MaskWorkers workers_{2};
};

TEST_F(ForcedTokens, GoThroughTheModelTogether) {
  const Grammar grammar{GrammarKind::kRegex, "<<one[ab]two three four[ab]five six seven[ab]>>"};

  const Outcome together = run(grammar, -1);
  const Outcome one_by_one = run(grammar, 0);

  // The prompt with what the answer begins with, and a step for each choice. That may be two at a
  // place: tokens that end a forced text and could join with what follows are left to choose.
  EXPECT_LE(together.num_steps, 6);
  EXPECT_EQ(one_by_one.num_steps, static_cast<int>(one_by_one.answer.token_ids.size()));
  EXPECT_GT(one_by_one.num_steps, 15);
  EXPECT_EQ(together.answer.token_ids, one_by_one.answer.token_ids);
  EXPECT_EQ(together.answer.usage.decode_tokens, one_by_one.answer.usage.decode_tokens);
  EXPECT_EQ(together.answer.finish_reason, FinishReason::kStop);
}

TEST_F(ForcedTokens, NeedNoStepWhereTheyAreAll) {
  const Outcome everything = run({GrammarKind::kChoice, R"(["a text without any choice"])"}, -1);

  EXPECT_EQ(everything.num_steps, 1);
  EXPECT_EQ(everything.answer.text, "a text without any choice");
}

TEST_F(ForcedTokens, AreCutWhereAStepHoldsFewer) {
  const Grammar grammar{GrammarKind::kRegex, "[ab]a long text that is forced[ab]"};

  const Outcome whole = run(grammar, -1);
  const Outcome cut = run(grammar, -1, 4);

  EXPECT_GT(cut.num_steps, whole.num_steps + 2);
  EXPECT_EQ(cut.answer.token_ids, whole.answer.token_ids);
}

}  // namespace
}  // namespace trellis
