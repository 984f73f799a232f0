// The whole engine on a small trained model: what a client sees.
#include "trellis/engine.h"

#include "base/error.h"
#include "base/json.h"
#include "base/result.h"
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace trellis {
namespace {

const std::string kModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";

EngineOptions options() {
  EngineOptions result;
  result.model_directory = kModel;
  result.num_threads = 2;
  result.exact_activations = true;
  result.cache_fp32 = true;
  return result;
}

Request greedy(std::vector<int32_t> prompt) {
  Request request;
  request.prompt_ids = std::move(prompt);
  request.sampling.temperature = 0.0f;
  return request;
}

/// All events of a stream as one.
Event collect(Result<std::unique_ptr<EventStream>> stream) {
  Event all;
  if (!stream.ok()) {
    ADD_FAILURE() << stream.error().message;
    return all;
  }
  while (auto event = stream.value()->next()) {
    all.text += event->text;
    all.token_ids.insert(all.token_ids.end(), event->token_ids.begin(), event->token_ids.end());
    all.logprobs.insert(all.logprobs.end(), event->logprobs.begin(), event->logprobs.end());
    all.finished = event->finished;
    all.finish_reason = event->finish_reason;
    all.error = event->error;
    all.usage = event->usage;
  }
  return all;
}

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = Engine::load(options()).release(); }
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }
  static std::vector<int32_t> encode(const std::string& text) {
    return engine_->tokenizer().encode(text, false);
  }
  static std::vector<int32_t> hello() {
    return encode("<|im_start|>user\nHello! How are you today?<|im_end|>\n<|im_start|>assistant\n");
  }
  static Engine* engine_;
};
Engine* EngineTest::engine_ = nullptr;

TEST_F(EngineTest, ReproducesTheGreedyAnswersOfTransformersAllAtOnce) {
  const Json goldens = read_json_file(kModel + "/golden_fp32.json");
  std::vector<Result<std::unique_ptr<EventStream>>> streams;
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
  EXPECT_EQ(answer.usage.decode_tokens, 9);
}

TEST_F(EngineTest, GivesExactlyMaxTokens) {
  Request request = greedy(hello());
  request.max_tokens = 3;

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.token_ids.size(), 3u);
  EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
}

TEST_F(EngineTest, CutsTheTextBeforeAStopStringThatCrossesTokens) {
  Request request = greedy(hello());
  request.stop_strings = {"", "Pool r"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.text, "I am a ");
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
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

TEST_F(EngineTest, DrawsTheSameTokensFromTheSameSeedWhateverRunsBeside) {
  Request request = greedy(hello());
  request.sampling.temperature = 1.0f;
  request.sampling.seed = 42;
  request.ignore_eos = true;
  request.max_tokens = 40;
  const std::vector<int32_t> alone = collect(engine_->submit(request)).token_ids;

  std::vector<Result<std::unique_ptr<EventStream>>> others;
  for (int i = 0; i < 5; ++i) {
    Request other = request;
    other.sampling.seed = 100 + i;
    other.prompt_ids = encode("Once upon a time there was a small house by the sea. ");
    other.max_tokens = 20 + 7 * i;
    others.push_back(engine_->submit(other));
  }
  const std::vector<int32_t> among = collect(engine_->submit(request)).token_ids;

  EXPECT_EQ(among, alone);
  for (auto& other : others) collect(std::move(other));
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
}

TEST_F(EngineTest, EndsACancelledRequestAndServesTheNext) {
  Request request = greedy(hello());
  request.ignore_eos = true;
  auto stream = engine_->submit(request);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream.value()->next().has_value());
  stream.value()->cancel();

  const Event rest = collect(std::move(stream));
  const Event next = collect(engine_->submit(greedy(hello())));

  EXPECT_TRUE(rest.finish_reason == FinishReason::kCancelled);
  EXPECT_EQ(next.text, "I am a Pool ride.");
}

TEST_F(EngineTest, RefusesRequestsThatCannotRun) {
  EXPECT_EQ(engine_->submit(greedy({})).error().parameter, "prompt");
  EXPECT_EQ(engine_->submit(greedy({-1})).error().parameter, "prompt");
  EXPECT_EQ(engine_->submit(greedy({1 << 20})).error().parameter, "prompt");
  const auto context = static_cast<size_t>(engine_->info().context_tokens);
  EXPECT_EQ(engine_->submit(greedy(std::vector<int32_t>(context, 5))).error().parameter, "prompt");
  Request none = greedy({5});
  none.max_tokens = 0;
  EXPECT_EQ(engine_->submit(none).error().parameter, "max_tokens");
  Request hot = greedy({5});
  hot.sampling.top_p = 2.0f;
  EXPECT_EQ(engine_->submit(hot).error().status, 400);
}

TEST_F(EngineTest, TwoEnginesLiveInOneProcess) {
  const std::unique_ptr<Engine> second = Engine::load(options());

  EXPECT_EQ(collect(second->submit(greedy(hello()))).text, "I am a Pool ride.");
}

TEST(EngineLoad, NamesWhatIsMissing) {
  EngineOptions missing = options();
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
