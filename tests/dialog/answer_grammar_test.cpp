// Answers drawn at random from what a grammar allows, each token as likely as any other, must be
// calls of the tools whose arguments satisfy the schemas.
#include "dialog/answer_grammar.h"

#include "text/grammar.h"
#include "text/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace trellis {
namespace {

using Kind = AnswerPiece::Kind;

/// A call as a client gets it.
struct Call {
  std::string name;
  std::string arguments;
};

struct Answer {
  std::string all;  // as the model wrote it
  std::string text;
  std::string reasoning;
  std::vector<Call> calls;
  bool whole = false;  // it ended where the grammar lets it
};

class AnswerGrammarTest : public testing::Test {
 protected:
  static void TearDownTestSuite() { tokenizers_.clear(); }

  /// gpt2, to which tags are text, or qwen2.5, to which <tool_call> is a token.
  static const Tokenizer& tokenizer_of(const std::string& name) {
    std::unique_ptr<Tokenizer>& tokenizer = tokenizers_[name];
    if (tokenizer == nullptr) tokenizer = committed_tokenizer(name);
    return *tokenizer;
  }

  static Toolbox toolbox() {
    Toolbox box;
    box.tools.push_back({"pick", "", OrderedJson::parse(R"({"type": "object",
      "properties": {"zone": {"enum": ["north", "south"]}, "count": {"type": "integer",
        "minimum": 3, "maximum": 77}}, "required": ["zone", "count"]})")});
    box.tools.push_back({"stop-all", "", OrderedJson::parse(R"({"type": "object",
      "properties": {}})")});
    return box;
  }

  static AnswerShape shape(const std::string& format) {
    AnswerShape shape;
    for (const ToolFormat& one : tool_formats()) {
      if (one.name == format) shape.tools = one;
    }
    return shape;
  }

  /// Draws tokens; special ones that are tags are spelled. first: text that the answer begins with.
  static Answer draw(
      const std::string& tokenizer_name, const AnswerShape& shape, const Toolbox& box,
      uint32_t seed, const std::optional<Grammar>& text = std::nullopt,
      const std::string& first = "", int most_tokens = 300
  ) {
    const Tokenizer& tokenizer = tokenizer_of(tokenizer_name);
    GrammarMatcher matcher(tokenizer, answer_grammar(shape, box, text, tokenizer).value());
    std::mt19937 random(seed);
    std::vector<int32_t> ids = matcher.accept({});
    const auto take = [&](int32_t id) {
      ids.push_back(id);
      for (const int32_t forced : matcher.accept(std::vector{id})) ids.push_back(forced);
    };
    // Some of it may have been forced already.
    for (std::string done = tokenizer.decode(ids, false); done.size() < first.size();
         done = tokenizer.decode(ids, false)) {
      EXPECT_TRUE(first.starts_with(done)) << done;
      take(tokenizer.encode(first.substr(done.size()), false).front());
    }
    Answer answer;
    for (int i = 0; i < most_tokens && !matcher.is_over(); ++i) {
      TokenMask mask(tokenizer.vocab_size());
      const bool may_end = matcher.allowed(mask);
      if (may_end && random() % 4 == 0) {
        answer.whole = true;
        break;
      }
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < mask.size(); ++id) {
        if (mask.allows(id)) allowed.push_back(id);
      }
      if (allowed.empty()) break;
      take(allowed[random() % allowed.size()]);
    }
    answer.whole = answer.whole || matcher.is_over();
    answer.all = tokenizer.decode(ids, false);
    AnswerParser parser(shape);
    std::vector<AnswerPiece> pieces = parser.push(answer.all);
    for (AnswerPiece& piece : parser.finish()) pieces.push_back(std::move(piece));
    for (const AnswerPiece& piece : pieces) {
      if (piece.kind == Kind::kText) answer.text += piece.text;
      if (piece.kind == Kind::kReasoning) answer.reasoning += piece.text;
      if (piece.kind == Kind::kCall) answer.calls.push_back({piece.text, ""});
      if (piece.kind == Kind::kArguments) answer.calls.back().arguments += piece.text;
    }
    return answer;
  }

  static void expect_valid(const Answer& answer) {
    EXPECT_TRUE(answer.whole) << answer.all;
    EXPECT_FALSE(answer.calls.empty()) << answer.all;
    for (const Call& call : answer.calls) {
      const OrderedJson arguments = OrderedJson::parse(call.arguments);
      if (call.name == "stop-all") {
        EXPECT_EQ(call.arguments, "{}") << answer.all;
        continue;
      }
      EXPECT_EQ(call.name, "pick") << answer.all;
      ASSERT_EQ(arguments.size(), 2U) << answer.all;
      EXPECT_EQ(arguments.begin().key(), "zone") << answer.all;
      EXPECT_THAT(arguments["zone"], testing::AnyOf("north", "south")) << answer.all;
      EXPECT_GE(arguments["count"].get<int>(), 3) << answer.all;
      EXPECT_LE(arguments["count"].get<int>(), 77) << answer.all;
    }
  }

  inline static std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers_;
};

class FormatGrammarTest : public AnswerGrammarTest,
                          public testing::WithParamInterface<std::tuple<std::string, std::string>> {
};

TEST_P(FormatGrammarTest, RequiredCallsAreAllThereIs) {
  const auto& [tokenizer, format] = GetParam();
  Toolbox box = toolbox();
  box.choice.kind = ToolChoice::Kind::kRequired;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    const Answer answer = draw(tokenizer, shape(format), box, seed);
    expect_valid(answer);
    EXPECT_EQ(answer.text, "") << answer.all;
  }
}

TEST_P(FormatGrammarTest, ANamedCallComesOnceWhereCallsAreNotParallel) {
  const auto& [tokenizer, format] = GetParam();
  Toolbox box = toolbox();
  box.choice = {ToolChoice::Kind::kNamed, "pick"};
  box.parallel = false;
  for (uint32_t seed = 0; seed < 3; ++seed) {
    const Answer answer = draw(tokenizer, shape(format), box, seed);
    expect_valid(answer);
    ASSERT_EQ(answer.calls.size(), 1U) << answer.all;
    EXPECT_EQ(answer.calls[0].name, "pick");
  }
}

TEST_P(FormatGrammarTest, CallsThatMayComeAreHeldToTheirFormFromTheTriggerOn) {
  const auto& [tokenizer, format] = GetParam();
  const AnswerShape calls = shape(format);
  const bool anywhere = !calls.tools->trigger.empty();
  const std::string first =
      anywhere ? "Let me see. " + calls.tools->trigger : calls.tools->before_name;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    const Answer answer = draw(tokenizer, calls, toolbox(), seed, std::nullopt, first);
    expect_valid(answer);
    EXPECT_EQ(answer.text, anywhere ? "Let me see." : "") << answer.all;
  }
}

TEST_P(FormatGrammarTest, FreeTextIsFree) {
  const auto& [tokenizer, format] = GetParam();
  const Answer answer =
      draw(tokenizer, shape(format), toolbox(), 1, std::nullopt, "Hello <tool> [x] {\"a\": 1}", 0);
  EXPECT_EQ(answer.text, "Hello <tool> [x] {\"a\": 1}");
  EXPECT_TRUE(answer.calls.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, FormatGrammarTest,
    testing::Combine(
        testing::Values("gpt2", "qwen2.5"),
        testing::Values("hermes", "llama3_json", "mistral", "mistral_spaced", "mistral_args")
    ),
    [](const auto& info) {
      const std::string name = std::get<0>(info.param) == "gpt2" ? "TagsAsText" : "TagsAsTokens";
      std::string format = std::get<1>(info.param);
      std::erase(format, '_');
      return name + format;
    }
);

TEST_F(AnswerGrammarTest, CallsComeBehindThoughts) {
  for (const bool is_open : {false, true}) {
    for (const bool must_call : {false, true}) {
      AnswerShape thinking = shape("hermes");
      thinking.reasoning = ReasoningTags{"<think>", "</think>"};
      thinking.begins_in_reasoning = is_open;
      Toolbox box = toolbox();
      if (must_call) box.choice.kind = ToolChoice::Kind::kRequired;
      const std::string thoughts = is_open ? "Hm, <b>\n</think>" : "<think>\nHm, <b>\n</think>";
      const std::string first = thoughts + (must_call ? "" : "\n\nSo <tool_call>");
      const Answer answer = draw("qwen2.5", thinking, box, 3, std::nullopt, first);
      expect_valid(answer);
      EXPECT_EQ(answer.reasoning, "Hm, <b>") << answer.all;
      EXPECT_EQ(answer.text, must_call ? "" : "So") << answer.all;
    }
  }
}

TEST_F(AnswerGrammarTest, AFormHoldsForTheTextBehindThoughts) {
  AnswerShape thinking;
  thinking.reasoning = ReasoningTags{"<think>", "</think>"};
  thinking.begins_in_reasoning = true;
  const auto text = [&](const Grammar& grammar) {
    const Answer answer = draw("gpt2", thinking, {}, 7, grammar, "Hm.</think>\n\n");
    EXPECT_TRUE(answer.whole) << answer.all;
    EXPECT_EQ(answer.reasoning, "Hm.") << answer.all;
    return answer.text;
  };
  EXPECT_EQ(
      text(
          {GrammarKind::kJsonSchema,
           R"({"type": "object", "properties": {"b": {"enum": [1]}, "a": {"enum": [2]}},
                "required": ["a", "b"], "additionalProperties": false})"}
      ),
      R"({"b": 1, "a": 2})"
  );
  EXPECT_EQ(text({GrammarKind::kRegex, "a/b{2}\\/"}), "a/bb/");
  EXPECT_EQ(text({GrammarKind::kChoice, R"(["\"<b>\" or"])"}), "\"<b>\" or");
  EXPECT_EQ(text({GrammarKind::kLark, "start: x x\nx: \"go\""}), "gogo");
}

TEST_F(AnswerGrammarTest, DemandsNothingWhereNothingIsAsked) {
  AnswerShape thinking = shape("hermes");
  thinking.reasoning = ReasoningTags{"<think>", "</think>"};
  Toolbox unused = toolbox();
  unused.choice.kind = ToolChoice::Kind::kNone;
  EXPECT_FALSE(answer_grammar(thinking, unused, std::nullopt, tokenizer_of("gpt2")));
  const Grammar object{GrammarKind::kJsonObject, ""};
  EXPECT_EQ(answer_grammar({}, {}, object, tokenizer_of("gpt2")), object);
}

}  // namespace
}  // namespace trellis
