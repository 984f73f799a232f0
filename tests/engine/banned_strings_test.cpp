// Strings that an answer must not hold: it is taken back to where one began, and goes on as a loop
// does that tries token by token.
#include "engine/engine_harness.h"
#include "model/model_harness.h"
#include "sampling/sampler.h"
#include "text/detokenizer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

namespace trellis {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 2;
#else
constexpr uint64_t kSeeds = 8;
#endif

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

class BannedStrings : public EngineTest {
 protected:
  static Request asking(uint64_t seed, std::vector<std::string> banned, int64_t tokens = 40) {
    Request request;
    request.prompt_ids = hello();
    request.sampling.temperature = 1.2f;
    request.sampling.seed = seed;
    request.banned_strings = std::move(banned);
    request.ignore_eos = true;
    request.max_tokens = tokens;
    return request;
  }
  static Event answer(const Request& request) { return collect(engine_->submit(request)); }

  static void expect_none(const Event& answer, const std::vector<std::string>& banned) {
    const std::string text = in_lower_case(answer.text);
    for (const std::string& string : banned) {
      EXPECT_EQ(text.find(in_lower_case(string)), std::string::npos) << string << " in " << text;
    }
  }

  /// Text of each token of an answer to hello(), the last one's with all that is left.
  static std::vector<std::string> pieces(const std::vector<int32_t>& tokens) {
    Detokenizer detokenizer(engine_->tokenizer());
    detokenizer.prime(hello());
    std::vector<std::string> result;
    for (const int32_t token : tokens) result.push_back(detokenizer.push(token));
    return result;
  }

  /// The place of the token with which the banned string begins that ends first, the longest of
  /// these; or the number of tokens.
  static size_t find_banned(
      const std::vector<int32_t>& tokens, const std::vector<std::string>& banned
  ) {
    const std::vector<std::string> texts = pieces(tokens);
    std::string text;
    for (const std::string& piece : texts) text += piece;
    text = in_lower_case(text);
    size_t end = std::string::npos;
    size_t begin = std::string::npos;
    for (const std::string& string : banned) {
      const size_t found = text.find(in_lower_case(string));
      if (found == std::string::npos || found + string.size() > end) continue;
      begin = found + string.size() < end ? found : std::min(begin, found);
      end = found + string.size();
    }
    if (begin == std::string::npos) return tokens.size();
    size_t place = 0;
    for (size_t before = texts[0].size(); before <= begin; before += texts[place].size()) ++place;
    return place;
  }

  /// The tokens of the answer, by trying: all of it is computed anew for each token.
  static std::vector<int32_t> by_trying(const Request& request) {
    test::ModelHarness model(kTinyModel, "cpu");
    std::vector<int32_t> tokens;
    std::map<size_t, std::vector<int32_t>> forbidden;
    while (static_cast<int64_t>(tokens.size()) < *request.max_tokens) {
      Sampler sampler(request.sampling, engine_->tokenizer().vocab_size(), request.prompt_ids);
      std::vector<int32_t> all = request.prompt_ids;
      for (const int32_t token : tokens) {
        sampler.accept(token);
        all.push_back(token);
      }
      const std::vector<float> logits = model.logits(all, 1);
      tokens.push_back(sampler.sample({logits, forbidden[tokens.size()]}));
      const size_t place = find_banned(tokens, request.banned_strings);
      if (place == tokens.size()) continue;
      forbidden[place].push_back(tokens[place]);
      forbidden.erase(forbidden.upper_bound(place), forbidden.end());
      tokens.resize(place);
    }
    return tokens;
  }
};

/// Each answer's own text is banned, cut in every way: words, parts of words and tokens.
TEST_F(BannedStrings, GiveTheAnswerOfALoopThatTries) {
  int num_changed = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Event free = answer(asking(seed, {}));
    const std::string& text = free.text;
    std::vector<std::string> banned;
    for (size_t cut = seed; cut + 12 < text.size(); cut += 9) {
      std::string part = text.substr(cut, 1 + cut % 11);
      if (std::ranges::all_of(part, [](char c) { return c >= ' ' && c <= '~'; })) {
        if (seed % 2 == 1) std::ranges::transform(part, part.begin(), ::toupper);
        if (part.size() > 1) banned.push_back(part);
      }
    }
    const Request request = asking(seed, banned);

    const Event held = answer(request);

    expect_none(held, banned);
    EXPECT_EQ(held.token_ids, by_trying(request));
    EXPECT_EQ(held.usage.decode_tokens, 40);
    EXPECT_EQ(held.finish_reason, FinishReason::kLength);
    std::string whole;
    for (const std::string& piece : pieces(held.token_ids)) whole += piece;
    EXPECT_TRUE(held.text.starts_with(whole));
    num_changed += held.token_ids != free.token_ids ? 1 : 0;
  }
  EXPECT_EQ(num_changed, static_cast<int>(kSeeds));
}

TEST_F(BannedStrings, AreMetInAnyPositionOfAText) {
  const Event free = answer(asking(3, {}));
  for (size_t cut = 0; cut + 4 < free.text.size(); ++cut) {
    const std::string banned = free.text.substr(cut, 4);
    if (!std::ranges::all_of(banned, [](char c) { return c >= ' ' && c <= '~'; })) continue;
    SCOPED_TRACE(banned);
    const Request request = asking(3, {banned}, 20);
    const Event held = answer(request);
    expect_none(held, {banned});
    EXPECT_EQ(held.token_ids, answer(request).token_ids);
  }
}

TEST_F(BannedStrings, KeepPenaltiesAndRepetitionsRight) {
  const Event free = answer(asking(5, {}));
  Request request = asking(5, {free.text.substr(2, 3), free.text.substr(20, 2), " a", "the"});
  request.sampling.repetition_penalty = 1.3f;
  request.sampling.frequency_penalty = 0.4f;
  request.sampling.penalty_range = 12;
  request.sampling.dry_multiplier = 2.0f;
  request.sampling.dry_allowed_length = 1;
  request.sampling.no_repeat_ngram_size = 3;

  const Event held = answer(request);

  expect_none(held, request.banned_strings);
  EXPECT_EQ(held.token_ids, by_trying(request));
}

TEST_F(BannedStrings, LeaveLogProbabilitiesAsAPromptHasThem) {
  Request request = asking(7, {" a", "e ", "th"}, 60);
  request.logprobs = 2;
  const Event held = answer(request);
  expect_none(held, request.banned_strings);
  ASSERT_EQ(held.logprobs.size(), held.token_ids.size());

  Request prompt;
  prompt.prompt_ids = request.prompt_ids;
  prompt.prompt_ids.insert(prompt.prompt_ids.end(), held.token_ids.begin(), held.token_ids.end());
  prompt.max_tokens = 0;
  prompt.prompt_logprobs = 2;
  const Event computed = answer(prompt);
  for (size_t i = 0; i < held.token_ids.size(); ++i) {
    const TokenLogprob& expected = computed.prompt_logprobs[request.prompt_ids.size() - 1 + i];
    EXPECT_EQ(held.logprobs[i].token_id, expected.token_id);
    EXPECT_EQ(held.logprobs[i].logprob, expected.logprob) << i;
    EXPECT_EQ(held.logprobs[i].top, expected.top) << i;
  }
}

/// An answer over several pages, and what others find of it.
TEST_F(BannedStrings, LeavePagesAsTheAnswersTokensMakeThem) {
  EngineOptions options = tiny_model_options();
  options.context_tokens = 512;
  const std::unique_ptr<Engine> engine = Engine::load(options);
  Request request = asking(11, {" a", "e ", "th", "in", "o"}, 400);
  const Event held = collect(engine->submit(request));
  expect_none(held, request.banned_strings);
  ASSERT_EQ(held.token_ids.size(), 400u);

  Request next = greedy(request.prompt_ids);
  next.prompt_ids.insert(next.prompt_ids.end(), held.token_ids.begin(), held.token_ids.end());
  next.max_tokens = 20;
  next.logprobs = 1;
  next.ignore_eos = true;
  const Event warm = collect(engine->submit(next));
  EXPECT_GE(warm.usage.cached_tokens, 256);
  expect_same(warm, collect(Engine::load(options)->submit(next)));
}

TEST_F(BannedStrings, AreNeverShownOnTheWay) {
  const Request request = asking(13, {" a", "e ", "th", "in"}, 80);
  const Event whole = answer(request);
  Submitted stream = engine_->submit(request);
  Event streamed;
  while (auto event = stream.value()->next()) {
    streamed.append(*std::move(event));
    expect_none(streamed, request.banned_strings);
  }
  EXPECT_EQ(streamed.text, whole.text);
  EXPECT_EQ(streamed.token_ids, whole.token_ids);
}

TEST_F(BannedStrings, GiveWayToAStopStringThatComesFirst) {
  const Event free = answer(asking(17, {}));
  const std::string stop = free.text.substr(10, 5);
  Request request = asking(17, {free.text.substr(10, 9)});
  request.stop_strings = {stop};

  const Event stopped = answer(request);

  EXPECT_EQ(stopped.text, free.text.substr(0, free.text.find(stop)));
  EXPECT_EQ(stopped.stop_string, stop);
}

TEST_F(BannedStrings, AreFollowedByTheRightTextBeforeAStopString) {
  const Event free = answer(asking(19, {}));
  Request request = asking(19, {free.text.substr(4, 6)}, 60);
  const Event held = answer(request);
  const std::string stop = held.text.substr(20, 4);
  request.stop_strings = {stop};

  EXPECT_EQ(answer(request).text, held.text.substr(0, held.text.find(stop)));
}

TEST_F(BannedStrings, HoldBackNoTextAtTheEnd) {
  const Event free = answer(asking(23, {}, 20));
  const std::string end = free.text.substr(free.text.size() - 3);
  ASSERT_EQ(free.text.find(end), free.text.size() - 3) << "the text ends as it went on";
  const Event held = answer(asking(23, {end + "and nothing that comes"}, 20));

  EXPECT_EQ(held.text, free.text);
}

TEST_F(BannedStrings, GoWithMirostat) {
  Request request = asking(29, {" a", "e ", "th"}, 60);
  request.sampling.mirostat_tau = 3.0f;
  const Event held = answer(request);
  expect_none(held, request.banned_strings);
  EXPECT_EQ(answer(request).token_ids, held.token_ids);
}

TEST_F(BannedStrings, TurnAGrammarsAnswerElsewhere) {
  for (const int logprobs : {-1, 1}) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      SCOPED_TRACE(seed);
      Request request = asking(seed, {"RED", "bl"}, 60);
      request.ignore_eos = false;
      request.logprobs = logprobs;
      request.grammar = Grammar{
          GrammarKind::kRegex, "(the colours are: )((red|blue|green|black|white|yellow) ){5}end"
      };
      const Event held = answer(request);
      EXPECT_EQ(held.finish_reason, FinishReason::kStop) << held.error;
      EXPECT_THAT(held.text, testing::MatchesRegex("the colours are: ((green|white|yellow) )+end"));
      EXPECT_EQ(answer(request).token_ids, held.token_ids);
    }
  }
}

TEST_F(BannedStrings, FailWhereAGrammarLeavesNothingElse) {
  Request request = asking(1, {"colours"});
  request.grammar = Grammar{GrammarKind::kRegex, "the colours are red"};
  const Event failed = answer(request);

  EXPECT_EQ(failed.finish_reason, FinishReason::kError);
  EXPECT_THAT(failed.error, testing::HasSubstr("banned string"));
  expect_none(failed, {"colours"});
}

TEST_F(BannedStrings, FailWhereNothingIsLeft) {
  std::vector<std::string> banned;
  for (char c = ' '; c <= '~'; ++c) banned.emplace_back(1, c);
  Request request = asking(1, banned);
  request.sampling.temperature = 0.0f;
  for (int32_t id = 0; id < 3; ++id) request.sampling.banned_tokens.push_back(id);
  request.max_tokens = 400;
  const Event failed = answer(request);

  expect_none(failed, banned);
}

TEST_F(BannedStrings, AreSameBesideOthersAndWhenPagesAreLost) {
  EngineOptions options = tiny_model_options();
  options.context_tokens = 512;
  options.cache_tokens = 3 * 256;
  options.max_step_tokens = 100;
  const std::unique_ptr<Engine> small = Engine::load(options);
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    requests.push_back(asking(i, {" a", "e ", "th", "in"}, 80));
    std::vector<int32_t>& prompt = requests.back().prompt_ids;
    for (int32_t id = 0; prompt.size() < 215; ++id) {
      prompt.insert(prompt.begin(), 3 + id * 7 % 600 + static_cast<int32_t>(i));
    }
  }
  const std::vector<Event> alone = collect_alone(*small, requests);

  const std::vector<Event> together = collect_together(*small, requests);
  int num_preemptions = 0;
  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].token_ids, alone[i].token_ids) << i;
    EXPECT_EQ(together[i].text, alone[i].text);
    num_preemptions += together[i].usage.num_preemptions;
  }
  EXPECT_GT(num_preemptions, 0);
}

TEST_F(BannedStrings, AreRefusedWhereTheyAreTooManyOrTooLong) {
  const auto refused = [](std::vector<std::string> banned) {
    const Submitted stream = engine_->submit(asking(1, std::move(banned)));
    EXPECT_FALSE(stream.ok());
    EXPECT_EQ(stream.error().parameter, "banned_strings");
  };
  refused(std::vector<std::string>(513, "a"));
  refused({std::string(513, 'a')});
  refused({"\xff"});
  EXPECT_TRUE(engine_->submit(asking(1, {""})).ok());
}

}  // namespace
}  // namespace trellis
