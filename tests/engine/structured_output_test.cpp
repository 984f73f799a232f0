// Whole engines whose answers must follow a grammar.
#include "base/json.h"
#include "engine/engine_harness.h"
#include "engine/json_schema_check.h"
#include "text/grammar.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace trellis {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kAnswersPerSchema = 1;
#else
constexpr int kAnswersPerSchema = 20;
#endif

class StructuredOutput : public EngineTest {
 protected:
  static Request asking(GrammarKind kind, std::string text, float temperature, uint64_t seed = 1) {
    Request request;
    request.prompt_ids = hello();
    request.grammar = Grammar{kind, std::move(text)};
    request.sampling.temperature = temperature;
    request.sampling.seed = seed;
    request.max_tokens = 400;
    return request;
  }
  static Request regex(std::string pattern, float temperature = 1.5f, uint64_t seed = 1) {
    return asking(GrammarKind::kRegex, std::move(pattern), temperature, seed);
  }
  static std::vector<Json> schemas() {
    return read_json_file(TRELLIS_SOURCE_DIR "/tests/data/schemas.json").get<std::vector<Json>>();
  }
  static Event answer(const Request& request) { return collect(engine_->submit(request)); }
  static int32_t end_token() { return engine_->tokenizer().token_to_id("<|im_end|>").value(); }
};

TEST_F(StructuredOutput, SatisfiesEachSchemaAtHighTemperature) {
  const std::vector<Json> list = schemas();
  ASSERT_EQ(list.size(), 50u);
  Json record = Json::array();

  for (size_t i = 0; i < list.size(); ++i) {
    std::vector<Submitted> streams;
    for (int round = 0; round < kAnswersPerSchema; ++round) {
      streams.push_back(engine_->submit(asking(
          GrammarKind::kJsonSchema, list[i].dump(), 1.5f, 1000 * i + static_cast<uint64_t>(round)
      )));
    }
    for (Submitted& stream : streams) {
      ASSERT_TRUE(stream.ok()) << "schema " << i << ": " << stream.error().message;
      const Event event = collect(std::move(stream));
      EXPECT_EQ(event.finish_reason, FinishReason::kStop) << "schema " << i << ": " << event.text;
      const Json value = Json::parse(event.text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << "schema " << i << ": " << event.text;
      EXPECT_EQ(schema_violation(list[i], value), "") << "schema " << i << ": " << event.text;
      record.push_back({i, event.text});
    }
  }

  RecordProperty("answers", record.dump());
}

TEST_F(StructuredOutput, IsAnObjectWhereJsonIsAskedFor) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    Request request = asking(GrammarKind::kJsonObject, "", 0.7f, seed);
    request.sampling.logit_bias[engine_->tokenizer().token_to_id("}").value()] = 8.0f;
    const Event event = answer(request);
    EXPECT_EQ(event.finish_reason, FinishReason::kStop) << event.text;
    EXPECT_TRUE(Json::parse(event.text, nullptr, false).is_object()) << event.text;
  }
}

TEST_F(StructuredOutput, IsOneOfTheChoices) {
  std::map<std::string, int> counts;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const Event event =
        answer(asking(GrammarKind::kChoice, R"(["red", "re", "blue"])", 1.5f, seed));
    EXPECT_EQ(event.finish_reason, FinishReason::kStop);
    ++counts[event.text];
  }
  EXPECT_THAT(counts, testing::Each(testing::Key(AnyOf("red", "re", "blue"))));
  EXPECT_GT(counts.size(), 1u);
}

TEST_F(StructuredOutput, FollowsALarkGrammar) {
  const Event event = answer(asking(
      GrammarKind::kLark, "start: sum\nsum: NUMBER (\" + \" NUMBER){1,4} \"=\"\nNUMBER: /[1-9]/",
      1.5f
  ));

  EXPECT_THAT(event.text, testing::MatchesRegex("[1-9]( \\+ [1-9])+="));
  EXPECT_EQ(event.finish_reason, FinishReason::kStop);
}

TEST_F(StructuredOutput, ComesWholeWhereThereIsNoChoiceAtAll) {
  const Event event = answer(asking(GrammarKind::kChoice, R"(["Hello, world!"])", 1.0f));

  EXPECT_EQ(event.text, "Hello, world!");
  EXPECT_EQ(event.token_ids, encode("Hello, world!"));
  EXPECT_EQ(event.finish_reason, FinishReason::kStop);
  EXPECT_EQ(event.usage.decode_tokens, static_cast<int64_t>(event.token_ids.size()));
}

/// The stop token would come at once, were it allowed.
TEST_F(StructuredOutput, StopsOnlyWhereItIsWhole) {
  Request request = regex("[a-z]{7,40}");
  request.sampling.logit_bias[end_token()] = 100.0f;

  const Event event = answer(request);

  EXPECT_GE(event.text.size(), 7u);
  EXPECT_LT(event.text.size(), 7u + 16u);
  EXPECT_EQ(event.token_ids.back(), end_token());
  EXPECT_EQ(event.finish_reason, FinishReason::kStop);
}

TEST_F(StructuredOutput, GoesOnPastAWholeAnswerForTheLeastNumberOfTokens) {
  Request request = regex("[a-z]+");
  request.sampling.logit_bias[end_token()] = 100.0f;
  request.min_tokens = 9;

  const Event event = answer(request);

  EXPECT_EQ(event.token_ids.size(), 10u);
  EXPECT_EQ(event.token_ids.back(), end_token());
}

TEST_F(StructuredOutput, EndsWhereNothingMoreIsAllowedWhateverTheRequestSays) {
  Request request = regex("[0-9]{3}");
  request.min_tokens = 50;
  request.ignore_eos = true;

  const Event event = answer(request);

  EXPECT_EQ(event.text.size(), 3u);
  EXPECT_EQ(event.finish_reason, FinishReason::kStop);
}

TEST_F(StructuredOutput, IsCutAtTheLimitOfTokens) {
  Request request =
      asking(GrammarKind::kChoice, R"(["a long text that must come as it is"])", 1.0f);
  request.max_tokens = 4;

  const Event event = answer(request);

  EXPECT_EQ(event.token_ids.size(), 4u);
  EXPECT_EQ(event.usage.decode_tokens, 4);
  EXPECT_EQ(event.finish_reason, FinishReason::kLength);
  EXPECT_TRUE(std::string("a long text that must come as it is").starts_with(event.text));
}

TEST_F(StructuredOutput, EndsAtAStopString) {
  Request request = asking(GrammarKind::kChoice, R"(["one two three"])", 1.0f);
  request.stop_strings = {" three"};

  const Event event = answer(request);

  EXPECT_EQ(event.text, "one two");
  EXPECT_EQ(event.finish_reason, FinishReason::kStop);
}

/// Where log probabilities are wanted each token takes a step of its own.
TEST_F(StructuredOutput, IsTheSameWhetherForcedTokensAreTakenAtOnceOrOneByOne) {
  const std::vector<Json> list = schemas();
  for (const size_t i : {1u, 23u, 24u, 28u, 39u, 46u, 49u}) {
    Request request = asking(GrammarKind::kJsonSchema, list[i].dump(), 1.5f, i);
    request.sampling.repetition_penalty = 1.1f;
    const Event at_once = answer(request);
    request.logprobs = 0;
    const Event one_by_one = answer(request);

    EXPECT_EQ(at_once.token_ids, one_by_one.token_ids) << "schema " << i;
    EXPECT_EQ(at_once.text, one_by_one.text);
    EXPECT_EQ(at_once.finish_reason, one_by_one.finish_reason);
    EXPECT_EQ(at_once.usage.decode_tokens, one_by_one.usage.decode_tokens);
    EXPECT_EQ(at_once.usage.prompt_tokens, one_by_one.usage.prompt_tokens);
    EXPECT_EQ(one_by_one.logprobs.size(), one_by_one.token_ids.size());
  }
}

TEST_F(StructuredOutput, IsTheSameBesideOthersAsAlone) {
  const std::vector<Json> list = schemas();
  std::vector<Request> requests;
  for (size_t i = 0; i < list.size(); i += 4) {
    requests.push_back(asking(GrammarKind::kJsonSchema, list[i].dump(), 1.5f, i));
    Request plain = requests.back();
    plain.grammar.reset();
    plain.max_tokens = 30;
    requests.push_back(plain);
  }
  std::vector<Event> alone;
  for (const Request& request : requests) alone.push_back(answer(request));

  std::vector<Submitted> streams;
  for (const Request& request : requests) streams.push_back(engine_->submit(request));

  for (size_t i = 0; i < streams.size(); ++i) {
    expect_same(collect(std::move(streams[i])), alone[i]);
  }
}

TEST_F(StructuredOutput, IsTheSameWhenItsMemoryIsTakenAway) {
  EngineOptions options = tiny_model_options();
  options.context_tokens = 512;
  options.cache_tokens = 3 * 256;
  options.max_step_tokens = 100;
  const std::unique_ptr<Engine> engine = Engine::load(options);
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 6; ++i) {
    Request request = regex("([a-z]{1,8} (forced words in between ){1,2}){80}", 1.2f, i);
    request.prompt_ids.assign(220, static_cast<int32_t>(100 + i));
    request.max_tokens = 90;
    requests.push_back(request);
  }
  const std::vector<Event> alone = collect_alone(*engine, requests);

  const std::vector<Event> together = collect_together(*engine, requests);
  int num_preemptions = 0;
  for (size_t i = 0; i < together.size(); ++i) {
    const Event& among = together[i];
    expect_same(among, alone[i]);
    EXPECT_EQ(among.finish_reason, FinishReason::kLength);
    EXPECT_THAT(among.text, HasSubstr(" forced words in between "));
    num_preemptions += among.usage.num_preemptions;
  }

  EXPECT_GT(num_preemptions, 0);
}

TEST_F(StructuredOutput, CountsCachedTokensOfThePromptAlone) {
  Request request = asking(GrammarKind::kChoice, R"(["always the same text"])", 1.0f);
  request.prompt_ids = std::vector<int32_t>(40, 77);

  answer(request);
  const Event again = answer(request);

  EXPECT_EQ(again.usage.prompt_tokens, 40);
  EXPECT_EQ(again.usage.cached_tokens, 39);
}

TEST_F(StructuredOutput, CanBeCancelled) {
  Submitted endless = engine_->submit(regex("[a-z]{100000,}"));
  ASSERT_TRUE(endless.value()->next().has_value());

  endless.value()->cancel();
  Event last;
  while (auto event = endless.value()->next()) last = *event;

  EXPECT_EQ(last.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(collect(engine_->submit(greedy(hello()))).text, "I am a Pool ride.");
}

void expect_refused(const Submitted& refused, const std::string& reason) {
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_EQ(refused.error().code, "invalid_request");
  EXPECT_EQ(refused.error().parameter, "grammar");
  EXPECT_THAT(refused.error().message, HasSubstr(reason));
}

TEST_F(StructuredOutput, IsRefusedWhereTheGrammarDoesNotCompile) {
  expect_refused(engine_->submit(regex("(")), "regex");
  expect_refused(engine_->submit(asking(GrammarKind::kJsonSchema, "{", 1.0f)), "json_schema");
  expect_refused(engine_->submit(asking(GrammarKind::kLark, "start: x", 1.0f)), "lark");
  expect_refused(engine_->submit(asking(GrammarKind::kChoice, "[]", 1.0f)), "choice");
}

TEST_F(StructuredOutput, IsRefusedWhereTheGrammarIsTooLarge) {
  expect_refused(engine_->submit(regex(std::string((1 << 20) + 1, 'a'))), "limit");
}

/// After a few letters, which can be read in very many ways, it needs more work for a token than
/// the limits allow.
std::string ambiguous_grammar(int num_letters) {
  std::string text = "start: /[0-9]{" + std::to_string(num_letters) + "}/ r0\n";
  for (int i = 0; i < 12; ++i) {
    text += "r" + std::to_string(i) + ": /[a-z]/";
    for (int j = 0; j < 144; ++j) {
      text += " | r" + std::to_string(j / 12) + " r" + std::to_string(j % 12);
    }
    text += "\n";
  }
  return text;
}

TEST_F(StructuredOutput, IsRefusedWhereTheGrammarTakesTooLong) {
  const auto begin = std::chrono::steady_clock::now();

  const auto refused = engine_->submit(asking(GrammarKind::kLark, ambiguous_grammar(0), 1.5f));

  expect_refused(refused, "lark needs more than");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(StructuredOutput, FailsAloneWhereTheGrammarGivesUpInTheMiddle) {
  const Request other = regex("[a-z]{40}");
  const Event expected = answer(other);

  Submitted beside = engine_->submit(other);
  const Event failed = answer(asking(GrammarKind::kLark, ambiguous_grammar(20), 1.5f));

  EXPECT_EQ(failed.finish_reason, FinishReason::kError);
  EXPECT_THAT(failed.error, HasSubstr("the grammar"));
  EXPECT_GT(failed.usage.decode_tokens, 0);
  EXPECT_EQ(
      failed.text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), std::string::npos
  );
  EXPECT_EQ(collect(std::move(beside)).text, expected.text);
}

/// Whoever runs beside a grammar that needs seconds for a token is not held up by it.
TEST_F(StructuredOutput, LetsOthersPassWhileAGrammarIsSlow) {
  Request request = asking(GrammarKind::kLark, ambiguous_grammar(20), 1.5f);
  request.max_tokens = 100;  // both fit the cache
  Submitted slow = engine_->submit(request);
  ASSERT_TRUE(slow.ok());
  while (slow.value()->next()->usage.decode_tokens < 5) continue;
  int served = 0;

  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < kMaxGrammarTime / 2) {
    EXPECT_EQ(collect(engine_->submit(greedy(hello()))).text, "I am a Pool ride.");
    ++served;
  }

  EXPECT_GT(served, 2);
  EXPECT_EQ(collect(std::move(slow)).finish_reason, FinishReason::kError);
}

TEST_F(StructuredOutput, FailsAloneWhereTheRequestLeavesNoTokenPossible) {
  Request request = regex("[0-9]{5}");
  for (int32_t id = 0; id < engine_->info().vocab_size; ++id) {
    const std::string text = engine_->tokenizer().decode(std::vector{id}, false);
    if (text.find_first_of("0123456789") != std::string::npos) {
      request.sampling.banned_tokens.push_back(id);
    }
  }

  const Event event = answer(request);

  EXPECT_EQ(event.finish_reason, FinishReason::kError);
  EXPECT_THAT(event.error, HasSubstr("no token possible"));
  EXPECT_EQ(collect(engine_->submit(greedy(hello()))).text, "I am a Pool ride.");
}

}  // namespace
}  // namespace trellis
