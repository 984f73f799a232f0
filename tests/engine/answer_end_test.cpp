// Where an answer ends, and what of it is text: limits, stop tokens and stop strings.
#include "base/json.h"
#include "base/temporary_directory.h"
#include "engine/engine_harness.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

/// "I am a Pool ride." of the tiny model, one piece a token, without the stop token.
std::vector<int32_t> answer_ids(Engine& engine, const std::vector<int32_t>& prompt) {
  std::vector<int32_t> ids = collect(engine.submit(greedy(prompt))).token_ids;
  EXPECT_EQ(ids.back(), 2);
  ids.pop_back();
  return ids;
}

class MaxTokens : public EngineTest, public testing::WithParamInterface<int64_t> {};

TEST_P(MaxTokens, AreGivenExactlyAndCounted) {
  Request request = greedy(hello());
  request.ignore_eos = true;
  request.max_tokens = GetParam();

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(static_cast<int64_t>(answer.token_ids.size()), GetParam());
  EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer.usage.decode_tokens, GetParam());
  EXPECT_EQ(answer.usage.prompt_tokens, static_cast<int64_t>(hello().size()));
}

// The longest crosses the border of a page.
INSTANTIATE_TEST_SUITE_P(
    Counts, MaxTokens, testing::Values(1, 2, 300), testing::PrintToStringParamName()
);

TEST_F(EngineTest, CountsTheStopTokenAmongMaxTokens) {
  Request request = greedy(hello());
  const size_t whole = collect(engine_->submit(request)).token_ids.size();

  request.max_tokens = whole;
  EXPECT_EQ(collect(engine_->submit(request)).finish_reason, FinishReason::kStop);
  request.max_tokens = whole - 1;
  const Event cut = collect(engine_->submit(request));
  EXPECT_EQ(cut.finish_reason, FinishReason::kLength);
  EXPECT_EQ(cut.text, "I am a Pool ride.");
}

TEST_F(EngineTest, FillsTheContextWhenNothingElseEndsTheAnswer) {
  EngineOptions small = tiny_model_options();
  small.context_tokens = 64;
  const std::unique_ptr<Engine> engine = Engine::load(small);
  Request request = greedy(hello());
  request.ignore_eos = true;

  const Event open_end = collect(engine->submit(request));
  request.max_tokens = int64_t{1} << 62;
  const Event beyond = collect(engine->submit(request));

  EXPECT_EQ(open_end.token_ids.size(), 64 - hello().size());
  EXPECT_EQ(open_end.finish_reason, FinishReason::kLength);
  EXPECT_EQ(beyond.token_ids, open_end.token_ids);
}

TEST_F(EngineTest, StopsAtARequestsOwnStopTokenAndKeepsItOutOfTheText) {
  const std::vector<int32_t> ids = answer_ids(*engine_, hello());
  Request request = greedy(hello());
  request.stop_token_ids = {ids[3]};

  const Event answer = collect(engine_->submit(request));

  EXPECT_THAT(answer.token_ids, ElementsAreArray(ids.begin(), ids.begin() + 4));
  EXPECT_EQ(answer.text, engine_->tokenizer().decode(std::span(ids).first(3), true));
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
}

TEST_F(EngineTest, MeetsAStopStringThatSpellsASpecialToken) {
  Request request = greedy(hello());
  request.ignore_eos = true;
  request.max_tokens = 40;
  request.stop_strings = {"<|im_end|>"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.token_ids.back(), 2);
  EXPECT_EQ(answer.text, "I am a Pool ride.");
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer.stop_string, "<|im_end|>");
}

TEST_F(EngineTest, MeetsStopStringsBeforeMinTokens) {
  Request request = greedy(hello());
  request.min_tokens = 30;
  request.max_tokens = 40;
  request.stop_strings = {"Pool"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.text, "I am a ");
  EXPECT_EQ(answer.finish_reason, FinishReason::kStop);
  EXPECT_LT(answer.token_ids.size(), 30u);
}

TEST_F(EngineTest, ReportsTokensAtOnceWhoseTextIsHeldBack) {
  Request request = greedy(hello());
  request.logprobs = 0;
  request.stop_strings = {"I am a Pool ride. And then"};

  const Event answer = collect(engine_->submit(request));

  EXPECT_EQ(answer.text, "I am a Pool ride.");
  EXPECT_EQ(answer.token_ids.size(), 9u);
  EXPECT_EQ(answer.logprobs.size(), 9u);
  EXPECT_EQ(answer.usage.decode_tokens, 9);
}

/// The tiny model with other stop tokens in its three files.
class StopTokenSources : public EngineTest {
 protected:
  static std::vector<int32_t> answer_with(
      const std::string& config_eos, const std::string& generation_eos,
      const std::string& tokenizer_eos
  ) {
    const TemporaryDirectory directory;
    const std::filesystem::path model(kTinyModel);
    for (const char* name : {"model.safetensors", "tokenizer.json"}) {
      std::filesystem::create_symlink(model / name, directory.path() / name);
    }
    const auto write = [&](const char* name, const std::string& key, const std::string& value) {
      Json document = read_json_file(model / name);
      document[key] = Json::parse(value);
      directory.write(name, document.dump());
    };
    write("config.json", "eos_token_id", config_eos);
    write("generation_config.json", "eos_token_id", generation_eos);
    write("tokenizer_config.json", "eos_token", tokenizer_eos);
    EngineOptions options = tiny_model_options();
    options.model_directory = directory.path().string();
    return collect(Engine::load(options)->submit(greedy(hello()))).token_ids;
  }
};

TEST_F(StopTokenSources, AreAllHonoured) {
  const std::vector<int32_t> ids = answer_ids(*engine_, hello());
  const std::string third = std::to_string(ids[2]);
  const std::string spelled = Json(engine_->tokenizer().id_to_token(ids[2])).dump();

  EXPECT_THAT(answer_with(third, "0", "\"<|im_end|>\""), ElementsAre(ids[0], ids[1], ids[2]));
  EXPECT_THAT(
      answer_with("0", "[2, " + third + "]", "\"<|im_end|>\""), ElementsAre(ids[0], ids[1], ids[2])
  );
  EXPECT_THAT(answer_with("0", "0", spelled), ElementsAre(ids[0], ids[1], ids[2]));
}

}  // namespace
}  // namespace trellis
