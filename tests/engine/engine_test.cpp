// The whole engine on a small trained model: what a client sees.
#include "base/error_matchers.h"
#include "base/json.h"
#include "engine/engine_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace trellis {
namespace {

TEST_F(EngineTest, ReproducesTheGreedyAnswersOfTransformersAllAtOnce) {
  const Json goldens = read_json_file(kTinyModel + "/golden_fp32.json");
  std::vector<Submitted> streams;
  for (const Json& golden : goldens) {
    Request request = greedy(golden.at("prompt_ids").get<std::vector<int32_t>>());
    request.max_tokens = golden.at("greedy_ids").size();
    streams.push_back(engine_->submit(request));
  }

  for (size_t i = 0; i < streams.size(); ++i) {
    const Event answer = collect(std::move(streams[i]));
    EXPECT_THAT(
        answer.token_ids,
        testing::ElementsAreArray(goldens[i].at("greedy_ids").get<std::vector<int32_t>>())
    );
  }
}

TEST_F(EngineTest, EndsAtTheStopTokenWhichIsInTheIdsButNotInTheText) {
  const Event answer = collect(engine_->submit(greedy(hello())));

  EXPECT_EQ(answer.text, "I am a Pool ride.");
  EXPECT_EQ(answer.token_ids.back(), 2);
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer.stop_string, "");
  EXPECT_EQ(answer.usage.decode_tokens, 9);
}

TEST_F(EngineTest, CutsTheTextBeforeAStopStringThatCrossesTokens) {
  Request request = greedy(hello());
  request.stop_strings = {"", "Pool r"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.text, "I am a ");
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer.stop_string, "Pool r");
}

TEST_F(EngineTest, FlushesHeldTextWhenTheStopTokenComes) {
  Request request = greedy(hello());
  request.stop_strings = {"ride. And then"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.text, "I am a Pool ride.");
}

TEST_F(EngineTest, PrefersTheStopStringOverTheLengthWhenBothComeWithOneToken) {
  Request request = greedy(hello());
  const std::vector<int32_t> ids = collect(engine_->submit(request)).token_ids;
  const std::string text = engine_->tokenizer().decode(std::span(ids).first(2), true);
  request.max_tokens = 2;
  request.stop_strings = {text.substr(text.size() - 1)};
  ASSERT_EQ(std::count(text.begin(), text.end(), text.back()), 1) << text;

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer.token_ids.size(), 2u);
}

TEST_F(EngineTest, MasksStopTokensUntilMinTokens) {
  Request request = greedy(hello());
  request.min_tokens = 15;
  request.max_tokens = 40;

  const Event answer = collect(engine_->submit(request));

  const auto stop = std::find_if(answer.token_ids.begin(), answer.token_ids.end(), [](int32_t id) {
    return id == 0 || id == 2;
  });
  EXPECT_GE(stop - answer.token_ids.begin(), 15);
}

TEST_F(EngineTest, GoesOnPastTheStopTokenWhenAskedTo) {
  Request request = greedy(hello());
  request.ignore_eos = true;
  request.max_tokens = 12;

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.token_ids.size(), 12u);
  EXPECT_EQ(answer.token_ids[8], 2);
}

TEST_F(EngineTest, FindsTheTokensOfDrysBreakers) {
  const int32_t first = encode("a").front();
  const int32_t second = encode("b").front();
  Request request = greedy(hello());
  request.ignore_eos = true;
  request.max_tokens = 8;
  request.sampling.logit_bias = {{first, 100.0f}, {second, 70.0f}};
  request.sampling.dry_multiplier = 50.0f;
  request.sampling.dry_allowed_length = 1;
  const std::vector<int32_t> repeated(8, first);

  EXPECT_NE(collect(engine_->submit(request)).token_ids, repeated);

  request.sampling.dry_breakers = {engine_->tokenizer().decode(std::vector{first}, true)};
  EXPECT_EQ(collect(engine_->submit(request)).token_ids, repeated);
}

TEST_F(EngineTest, ReportsLogProbabilitiesOfTheRawModel) {
  Request request = greedy(hello());
  request.logprobs = 3;

  const Event answer = collect(engine_->submit(request));

  ASSERT_EQ(answer.logprobs.size(), answer.token_ids.size());
  for (const TokenLogprob& entry : answer.logprobs) {
    ASSERT_EQ(entry.top.size(), 3u);
    EXPECT_EQ(entry.top[0].first, entry.token_id);
    EXPECT_FLOAT_EQ(entry.top[0].second, entry.logprob);
    EXPECT_LT(entry.logprob, 0.0f);
  }

  // Nothing that only changes the choice changes what is reported.
  request.sampling.temperature = 0.01f;
  request.sampling.top_k = 1;
  request.sampling.repetition_penalty = 1.01f;
  request.sampling.logit_bias = {{answer.token_ids[0], 50.0f}, {7, -50.0f}};
  request.max_tokens = 1;
  const Event biased = collect(engine_->submit(request));
  ASSERT_EQ(biased.token_ids[0], answer.token_ids[0]);
  EXPECT_EQ(biased.logprobs[0].logprob, answer.logprobs[0].logprob);
  EXPECT_EQ(biased.logprobs[0].top, answer.logprobs[0].top);
}

TEST_F(EngineTest, RefusesRequestsThatCannotRun) {
  EXPECT_EQ(engine_->submit(greedy({})).error().parameter, "prompt");
  EXPECT_EQ(engine_->submit(greedy({-1})).error().parameter, "prompt");
  EXPECT_EQ(engine_->submit(greedy({1 << 20})).error().parameter, "prompt");
  const auto context = static_cast<size_t>(engine_->info().context_tokens);
  EXPECT_EQ(engine_->submit(greedy(std::vector<int32_t>(context, 5))).error().parameter, "prompt");
  Request none = greedy({5});
  none.max_tokens = -1;
  EXPECT_EQ(engine_->submit(none).error().parameter, "max_tokens");
  Request hot = greedy({5});
  hot.sampling.top_p = 2.0f;
  EXPECT_EQ(engine_->submit(hot).error().status, 400);
}

TEST_F(EngineTest, TwoEnginesLiveInOneProcess) {
  const std::unique_ptr<Engine> second = Engine::load(tiny_model_options());

  EXPECT_EQ(collect(second->submit(greedy(hello()))).text, "I am a Pool ride.");
}

TEST(EngineLoad, RefusesOptionsThatCannotWork) {
  const auto refused = [](auto change) {
    EngineOptions options = tiny_model_options();
    change(options);
    return user_error_of([&] { Engine::load(options); });
  };

  EXPECT_EQ(
      refused([](EngineOptions& o) { o.max_sequences = 0; }),
      "max_sequences must be at least 1, found 0"
  );
  EXPECT_EQ(
      refused([](EngineOptions& o) { o.max_step_tokens = -5; }),
      "max_step_tokens must be at least 1, found -5"
  );
  EXPECT_EQ(
      refused([](EngineOptions& o) { o.context_tokens = -1; }),
      "context_tokens must be at least 0, found -1"
  );
}

TEST(EngineLoad, NamesWhatIsMissing) {
  EngineOptions missing = tiny_model_options();
  missing.model_directory = "/nonexistent/model";

  EXPECT_THROW(
      {
        try {
          Engine::load(missing);
        } catch (const UserError& error) {
          EXPECT_THAT(error.what(), testing::HasSubstr("/nonexistent/model"));
          throw;
        }
      },
      UserError
  );
}

}  // namespace
}  // namespace trellis
