// Which tokens may come in an output that follows a grammar: against sets worked out by hand or by
// trying the text of each token of the vocabulary.
#include "text/grammar.h"

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <thread>

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;
using testing::UnorderedElementsAreArray;

const Grammar kObject{GrammarKind::kJsonObject, ""};

Grammar schema(const std::string& text) {
  return {GrammarKind::kJsonSchema, text};
}
Grammar regex(const std::string& text) {
  return {GrammarKind::kRegex, text};
}
Grammar choice(const std::string& list) {
  return {GrammarKind::kChoice, list};
}
Grammar lark(const std::string& text) {
  return {GrammarKind::kLark, text};
}

class GrammarTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    gpt2_ = committed_tokenizer("gpt2");
    qwen_ = committed_tokenizer("qwen2.5");
    phi_ = committed_tokenizer("phi3-mini");
  }
  static void TearDownTestSuite() {
    gpt2_.reset();
    qwen_.reset();
    phi_.reset();
  }

  static std::vector<int32_t> allowed(
      GrammarMatcher& matcher, const Tokenizer& tokenizer, bool* may_end = nullptr
  ) {
    TokenMask mask(tokenizer.vocab_size());
    const bool whole = matcher.allowed(mask);
    if (may_end != nullptr) *may_end = whole;
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < mask.size(); ++id) {
      if (mask.allows(id)) ids.push_back(id);
    }
    return ids;
  }

  /// Every id whose text, as a stream of tokens shows it, fits.
  static std::vector<int32_t> tokens_that(
      const Tokenizer& tokenizer, const std::function<bool(const std::string&)>& fits
  ) {
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
      const auto piece = tokenizer.piece(id, true, false);
      if (piece && !piece->empty() && fits(*piece)) ids.push_back(id);
    }
    return ids;
  }

  static int32_t token(const Tokenizer& tokenizer, const std::string& spelling) {
    return tokenizer.token_to_id(spelling).value();
  }

  static void accept(GrammarMatcher& matcher, int32_t id) { matcher.accept(std::vector{id}); }

  inline static std::unique_ptr<Tokenizer> gpt2_;
  inline static std::unique_ptr<Tokenizer> qwen_;
  inline static std::unique_ptr<Tokenizer> phi_;
};

TEST_F(GrammarTest, AllowsTheBeginningsOfChoices) {
  GrammarMatcher matcher(*gpt2_, choice(R"(["yes", "no"])"));
  bool may_end = true;

  std::vector<int32_t> expected;
  for (const char* beginning : {"y", "ye", "yes", "n", "no"}) {
    expected.push_back(token(*gpt2_, beginning));
  }
  EXPECT_THAT(matcher.accept({}), IsEmpty());
  EXPECT_THAT(allowed(matcher, *gpt2_, &may_end), UnorderedElementsAreArray(expected));
  EXPECT_FALSE(may_end);
}

TEST_F(GrammarTest, ForcesWhatOnlyOneChoiceLeaves) {
  GrammarMatcher matcher(*gpt2_, choice(R"(["yes", "no"])"));

  const std::vector<int32_t> forced = matcher.accept(std::vector{token(*gpt2_, "y")});

  EXPECT_EQ(gpt2_->decode(forced, false), "es");
  EXPECT_TRUE(matcher.is_over());
  EXPECT_THAT(allowed(matcher, *gpt2_), IsEmpty());
}

TEST_F(GrammarTest, ForcesAWholeTextAsTheTokenizerSpellsIt) {
  GrammarMatcher matcher(*gpt2_, choice(R"(["Hello, [world] of (1+1)!\n\"\\/"])"));

  EXPECT_EQ(matcher.accept({}), gpt2_->encode("Hello, [world] of (1+1)!\n\"\\/", false));
  EXPECT_TRUE(matcher.is_over());
}

TEST_F(GrammarTest, TakesEveryAsciiCharacterOfAChoiceAsItIs) {
  std::string text;
  for (char c = ' '; c <= '~'; ++c) text.push_back(c);
  GrammarMatcher matcher(*gpt2_, choice(Json::array({text}).dump()));

  EXPECT_EQ(matcher.accept({}), gpt2_->encode(text, false));
  EXPECT_TRUE(matcher.is_over());
}

TEST_F(GrammarTest, AllowsAChoiceThatBeginsAnotherToEndOrGoOn) {
  GrammarMatcher matcher(*gpt2_, choice(R"(["no", "nobody"])"));
  bool may_end = false;

  matcher.accept({});
  accept(matcher, token(*gpt2_, "no"));
  const auto ids = allowed(matcher, *gpt2_, &may_end);

  EXPECT_FALSE(matcher.is_over());
  EXPECT_TRUE(may_end);
  EXPECT_THAT(ids, UnorderedElementsAreArray(tokens_that(*gpt2_, [](const std::string& text) {
                return std::string("body").starts_with(text);
              })));
}

TEST_F(GrammarTest, CountsTheRepetitionsOfAPattern) {
  GrammarMatcher matcher(*gpt2_, regex("[0-9]{1,3}"));
  const auto digits = [](size_t most) {
    return [most](const std::string& text) {
      return text.size() <= most && text.find_first_not_of("0123456789") == std::string::npos;
    };
  };
  bool may_end = true;

  EXPECT_EQ(allowed(matcher, *gpt2_, &may_end), tokens_that(*gpt2_, digits(3)));
  EXPECT_FALSE(may_end);
  accept(matcher, token(*gpt2_, "12"));
  EXPECT_EQ(allowed(matcher, *gpt2_, &may_end), tokens_that(*gpt2_, digits(1)));
  EXPECT_TRUE(may_end);
  accept(matcher, token(*gpt2_, "3"));
  EXPECT_TRUE(matcher.is_over());
}

/// Vocabularies that spell a space as U+2581 and bytes as <0x0A>.
TEST_F(GrammarTest, KnowsTheBytesOfAByteFallbackVocabulary) {
  GrammarMatcher matcher(*phi_, regex("(a b|\n\n)c*"));
  const auto fits = [](const std::string& text) {
    for (const std::string beginning : {"a b", "\n\n"}) {
      if (beginning.starts_with(text)) return true;
      const size_t cs = text.size() - std::min(text.size(), beginning.size());
      if (text.starts_with(beginning) && text.ends_with(std::string(cs, 'c'))) return true;
    }
    return false;
  };

  const auto ids = allowed(matcher, *phi_);

  EXPECT_EQ(ids, tokens_that(*phi_, fits));
  EXPECT_TRUE(std::find(ids.begin(), ids.end(), token(*phi_, "<0x0A>")) != ids.end());
}

TEST_F(GrammarTest, KeepsSpecialTokensOutOfText) {
  GrammarMatcher matcher(*qwen_, regex("(?s:.*)"));

  const auto ids = allowed(matcher, *qwen_);

  EXPECT_GT(ids.size(), 140000u);
  for (const char* special : {"<|im_end|>", "<|endoftext|>", "<tool_call>"}) {
    EXPECT_TRUE(std::find(ids.begin(), ids.end(), token(*qwen_, special)) == ids.end()) << special;
  }
}

TEST_F(GrammarTest, LetsALarkGrammarNameASpecialToken) {
  GrammarMatcher matcher(*qwen_, lark("start: (\"a\" | \"b\") <|im_end|>"));

  EXPECT_THAT(
      matcher.accept(std::vector{token(*qwen_, "a")}), ElementsAre(token(*qwen_, "<|im_end|>"))
  );
}

TEST_F(GrammarTest, BeginsAnObjectWithItsOnlyKey) {
  const CompiledGrammar compiled(
      *gpt2_, schema(R"({"type": "object", "properties": {"name": {"enum": ["Ann", "Bob"]}},
                         "required": ["name"], "additionalProperties": false})")
  );

  EXPECT_TRUE(std::string(R"({"name": ")").starts_with(gpt2_->decode(compiled.forced, false)));
  EXPECT_GT(compiled.forced.size(), 1u);
  EXPECT_FALSE(compiled.may_end);
}

TEST_F(GrammarTest, ClonesGoTheirOwnWays) {
  GrammarMatcher original(*gpt2_, regex("a[0-9]|b[x-z]"));
  const std::unique_ptr<GrammarMatcher> clone = original.clone();

  accept(original, token(*gpt2_, "a"));
  accept(*clone, token(*gpt2_, "b"));

  const auto one_of = [](const std::string& characters) {
    return [characters](const std::string& text) {
      return text.size() == 1 && characters.find(text) != std::string::npos;
    };
  };
  EXPECT_EQ(allowed(original, *gpt2_), tokens_that(*gpt2_, one_of("0123456789")));
  EXPECT_EQ(allowed(*clone, *gpt2_), tokens_that(*gpt2_, one_of("xyz")));
}

TEST_F(GrammarTest, RefusesATokenThatMustNotCome) {
  GrammarMatcher matcher(*gpt2_, regex("[0-9]+"));

  EXPECT_THROW(accept(matcher, token(*gpt2_, "a")), UserError);
  TokenMask mask(gpt2_->vocab_size());
  EXPECT_THROW(matcher.allowed(mask), UserError);
}

TEST_F(GrammarTest, StopsWhenItIsCancelled) {
  GrammarMatcher matcher(*gpt2_, regex("[0-9]+"));

  matcher.cancel();

  TokenMask mask(gpt2_->vocab_size());
  EXPECT_THAT([&] { matcher.allowed(mask); }, ThrowsMessage<UserError>(HasSubstr("cancelled")));
}

class UnusableGrammar : public GrammarTest {
 protected:
  static void expect_refused(const Grammar& grammar, const std::string& reason) {
    EXPECT_THAT(
        [&] { GrammarMatcher(*gpt2_, grammar); }, ThrowsMessage<UserError>(HasSubstr(reason))
    );
  }
};

TEST_F(UnusableGrammar, SchemaThatIsNotJson) {
  expect_refused(schema("{"), "json_schema");
  expect_refused(schema(""), "json_schema");
  expect_refused(schema("[1]"), "object");
}

TEST_F(UnusableGrammar, SchemaOfAnUnknownType) {
  expect_refused(schema(R"({"type": "thing"})"), "thing");
}

/// What cannot be enforced is refused, not left out.
TEST_F(UnusableGrammar, SchemaWithAKeywordThatCannotBeEnforced) {
  expect_refused(schema(R"({"type": "array", "uniqueItems": true})"), "uniqueItems");
}

TEST_F(UnusableGrammar, SchemaThatNothingSatisfies) {
  expect_refused(schema(R"({"type": "string", "minLength": 3, "maxLength": 2})"), "Unsatisfiable");
}

TEST_F(UnusableGrammar, PatternThatDoesNotCompile) {
  expect_refused(regex("(a"), "unclosed group");
}

TEST_F(UnusableGrammar, SaysSoInAFewWords) {
  try {
    GrammarMatcher(*gpt2_, regex(std::string(100000, '(')));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_LT(std::string(error.what()).size(), 500u);
  }
}

TEST_F(UnusableGrammar, LarkRuleThatDoesNotExist) {
  expect_refused(lark("start: missing"), "missing");
}

TEST_F(UnusableGrammar, ChoiceOfNothing) {
  expect_refused(choice("[]"), "at least one");
  expect_refused(choice(R"(["a", ""])"), "empty");
  expect_refused(choice(R"(["a", 1])"), "choice");
}

TEST_F(UnusableGrammar, TextBeyondItsLimit) {
  expect_refused(regex(std::string((1 << 20) + 1, 'a')), "limit");
}

TEST_F(UnusableGrammar, TextThatIsNotUtf8) {
  expect_refused(regex("\xff"), "UTF-8");
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST_F(UnusableGrammar, NestingBeyondEveryBound) {
  const auto nested = [](const std::string& open, int depth, const std::string& close) {
    return repeated(open, depth) + "\"a\"" + repeated(close, depth);
  };
  expect_refused(regex(nested("(", 200000, ")")), "invalid regex");
  expect_refused(lark("start: " + nested("(", 200000, ")")), "too deeply nested");
  expect_refused(schema(nested(R"({"const": [)", 10000, "]}")), "recursion limit");
}

TEST_F(UnusableGrammar, GrammarOfTooManySymbols) {
  std::string text = R"({"type": "object", "properties": {)";
  for (int i = 0; i < 20000; ++i) {
    text += (i > 0 ? ", \"k" : "\"k") + std::to_string(i) + R"(": {"type": "integer"})";
  }
  expect_refused(schema(text + "}}"), "too large");
}

/// Work that grows out of proportion to the text ends by the limits, soon.
TEST_F(UnusableGrammar, PatternThatNeedsTooMuchWork) {
  const auto begin = std::chrono::steady_clock::now();

  EXPECT_THROW(
      {
        GrammarMatcher matcher(*gpt2_, regex("((a|b){1,999}c?){1,999}x(a|b){999}.*(b|c){500}"));
        accept(matcher, token(*gpt2_, "a"));
        for (int i = 0; i < 1000; ++i) {
          TokenMask mask(gpt2_->vocab_size());
          matcher.allowed(mask);
          accept(matcher, token(*gpt2_, i % 2 == 0 ? "ab" : "a"));
        }
      },
      UserError
  );

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST_F(GrammarTest, CacheRemembersTheLastGrammars) {
  GrammarCache cache(*gpt2_, 2);
  const auto first = cache.get(regex("a+"));
  const auto second = cache.get(regex("b+"));

  EXPECT_EQ(cache.get(regex("a+")), first);
  cache.get(regex("c+"));
  EXPECT_EQ(cache.get(regex("a+")), first);
  EXPECT_NE(cache.get(regex("b+")), second);
  EXPECT_NE(cache.get({GrammarKind::kLark, "start: /a+/"}), first);
}

TEST_F(GrammarTest, CacheRefusesAGrammarWithoutText) {
  GrammarCache cache(*gpt2_);

  EXPECT_THROW(cache.get(regex("")), UserError);
  EXPECT_THROW(cache.get(regex("(")), UserError);
}

TEST_F(GrammarTest, CacheServesThreadsAtOnce) {
  GrammarCache cache(*gpt2_, 3);
  std::vector<std::thread> threads;
  std::vector<size_t> counts(4);

  for (size_t i = 0; i < counts.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const auto compiled = cache.get(regex("x" + std::to_string(round % 5) + "[ab]"));
        const auto matcher = compiled->matcher->clone();
        counts[i] += allowed(*matcher, *gpt2_).size();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(counts, testing::Each(counts[0]));
  EXPECT_GT(counts[0], 0u);
}

TEST_F(GrammarTest, TakesTokensBackWithThoseThatHadToFollow) {
  GrammarMatcher matcher(*gpt2_, regex("[ab]{2} and more of it [cd]{3}"));
  matcher.accept({});
  std::vector<std::vector<int32_t>> before;
  std::vector<size_t> counts;
  while (!matcher.is_over()) {
    before.push_back(allowed(matcher, *gpt2_));
    counts.push_back(1 + matcher.accept(std::array{before.back().front()}).size());
  }
  ASSERT_GT(before.size(), 3u);

  // The last step, then two at a time, then all that are left.
  matcher.roll_back(counts.back());
  EXPECT_FALSE(matcher.is_over());
  EXPECT_EQ(allowed(matcher, *gpt2_), before.back());
  const size_t last = before.size() - 1;
  matcher.roll_back(counts[last - 1] + counts[last - 2]);
  EXPECT_EQ(allowed(matcher, *gpt2_), before[last - 2]);
  matcher.accept(std::array{before[last - 2].back()});
  GrammarMatcher fresh(*gpt2_, regex("[ab]{2} and more of it [cd]{3}"));
  fresh.accept({});
  for (size_t i = 0; i < last - 2; ++i) fresh.accept(std::array{before[i].front()});
  fresh.accept(std::array{before[last - 2].back()});
  EXPECT_EQ(allowed(matcher, *gpt2_), allowed(fresh, *gpt2_));
}

TEST_F(GrammarTest, RefusesToTakeMoreBackThanCame) {
  GrammarMatcher matcher(*gpt2_, regex("[ab]{2}"));
  matcher.accept({});

  EXPECT_THAT([&] { matcher.roll_back(1); }, ThrowsMessage<UserError>(HasSubstr("gave up")));
}

}  // namespace
}  // namespace trellis
