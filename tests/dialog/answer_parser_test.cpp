#include "dialog/answer_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Kind = AnswerPiece::Kind;

const ReasoningTags kThink{"<think>", "</think>"};

const ToolFormat& format(const std::string& name) {
  for (const ToolFormat& one : tool_formats()) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no format " + name);
}

/// Pieces of one kind that follow one another as one, but for calls.
void add(std::vector<AnswerPiece>& all, const std::vector<AnswerPiece>& more) {
  for (const AnswerPiece& piece : more) {
    if (!all.empty() && all.back().kind == piece.kind && piece.kind != Kind::kCall) {
      all.back().text += piece.text;
    } else {
      all.push_back(piece);
    }
  }
}

std::vector<AnswerPiece> parse(
    const AnswerShape& shape, const std::vector<std::string_view>& parts
) {
  AnswerParser parser(shape);
  std::vector<AnswerPiece> all;
  for (const std::string_view part : parts) add(all, parser.push(part));
  add(all, parser.finish());
  return all;
}

/// What the text is taken apart into: the same at once, byte by byte, and cut at each byte.
std::vector<AnswerPiece> parse_however_cut(const AnswerShape& shape, std::string_view text) {
  const std::vector<AnswerPiece> whole = parse(shape, {text});
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(parse(shape, {text.substr(0, cut), text.substr(cut)}), whole) << "cut at " << cut;
    for (size_t second = cut; second <= text.size(); second += 7) {
      EXPECT_EQ(
          parse(shape, {text.substr(0, cut), text.substr(cut, second - cut), text.substr(second)}),
          whole
      ) << "cut at "
        << cut << " and " << second;
    }
  }
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  EXPECT_EQ(parse(shape, bytes), whole) << "byte by byte";
  return whole;
}

AnswerShape tools_shape(const std::string& name) {
  AnswerShape shape;
  shape.tools = format(name);
  return shape;
}

TEST(AnswerParser, LeavesPlainTextAlone) {
  EXPECT_THAT(
      parse_however_cut({}, "\n <think> {\"name\": \" </think>\n"),
      ElementsAre(AnswerPiece{Kind::kText, "\n <think> {\"name\": \" </think>\n"})
  );
}

TEST(AnswerParser, PartsThoughtsFromText) {
  AnswerShape shape;
  shape.reasoning = kThink;
  EXPECT_THAT(
      parse_however_cut(shape, "\n<think>\nSo: a < b, </thin> \n\n</think>\n\nYes.\n</think> No "),
      ElementsAre(
          AnswerPiece{Kind::kReasoning, "So: a < b, </thin>"},
          AnswerPiece{Kind::kText, "Yes.\n</think> No "}
      )
  );
}

TEST(AnswerParser, BeginsWithThoughtsWhereThePromptOpenedThem) {
  AnswerShape shape;
  shape.reasoning = kThink;
  shape.begins_in_reasoning = true;
  EXPECT_THAT(
      parse_however_cut(shape, "\nHm.</think>Yes"),
      ElementsAre(AnswerPiece{Kind::kReasoning, "Hm."}, AnswerPiece{Kind::kText, "Yes"})
  );
  EXPECT_THAT(
      parse_however_cut(shape, "Cut off </thi"),
      ElementsAre(AnswerPiece{Kind::kReasoning, "Cut off </thi"})
  );
  EXPECT_THAT(parse_however_cut(shape, "\n\n</think>\n\n"), IsEmpty());
}

TEST(AnswerParser, TakesTextThatOnlyLooksLikeATagForText) {
  AnswerShape shape;
  shape.reasoning = kThink;
  EXPECT_THAT(
      parse_however_cut(shape, " <thin ice"), ElementsAre(AnswerPiece{Kind::kText, " <thin ice"})
  );
  EXPECT_THAT(parse_however_cut(shape, " <th"), ElementsAre(AnswerPiece{Kind::kText, " <th"}));
  EXPECT_THAT(
      parse_however_cut(shape, "x <think>y</think>"),
      ElementsAre(AnswerPiece{Kind::kText, "x <think>y</think>"})
  );
}

TEST(AnswerParser, ReadsCallsOfHermes) {
  AnswerShape shape = tools_shape("hermes");
  shape.reasoning = kThink;
  EXPECT_THAT(
      parse_however_cut(
          shape,
          "<think>\nI call <tool_call> now\n</think>\n\nLet me see. \n"
          "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"at\": \"N\xC3\xAEmes }\\\"\"}}\n"
          "</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n"
      ),
      ElementsAre(
          AnswerPiece{Kind::kReasoning, "I call <tool_call> now"},
          AnswerPiece{Kind::kText, "Let me see."}, AnswerPiece{Kind::kCall, "weather"},
          AnswerPiece{Kind::kArguments, "{\"at\": \"N\xC3\xAEmes }\\\"\"}"},
          AnswerPiece{Kind::kCall, "now"}, AnswerPiece{Kind::kArguments, "{}"}
      )
  );
}

TEST(AnswerParser, ReadsCallsOfLlama) {
  const AnswerShape shape = tools_shape("llama3_json");
  EXPECT_THAT(
      parse_however_cut(
          shape,
          "{\"name\": \"f\", \"parameters\": {\"a\": [{\"b\": \"]}\"}]}}; "
          "{\"name\": \"g\", \"parameters\": {\"x\": 1}}"
      ),
      ElementsAre(
          AnswerPiece{Kind::kCall, "f"},
          AnswerPiece{Kind::kArguments, "{\"a\": [{\"b\": \"]}\"}]}"},
          AnswerPiece{Kind::kCall, "g"}, AnswerPiece{Kind::kArguments, "{\"x\": 1}"}
      )
  );
  EXPECT_THAT(
      parse_however_cut(shape, "{\"nam\": 1} {\"name\": \"f\", \"parameters\": {}}"),
      ElementsAre(AnswerPiece{Kind::kText, "{\"nam\": 1} {\"name\": \"f\", \"parameters\": {}}"})
  );
}

TEST(AnswerParser, ReadsCallsOfMistral) {
  EXPECT_THAT(
      parse_however_cut(
          tools_shape("mistral"),
          "Well [TOOL_CALL] [TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}}, "
          "{\"name\": \"g\", \"arguments\": {}}]"
      ),
      ElementsAre(
          AnswerPiece{Kind::kText, "Well [TOOL_CALL]"}, AnswerPiece{Kind::kCall, "f"},
          AnswerPiece{Kind::kArguments, "{\"a\": 1}"}, AnswerPiece{Kind::kCall, "g"},
          AnswerPiece{Kind::kArguments, "{}"}
      )
  );
  EXPECT_THAT(
      parse_however_cut(
          tools_shape("mistral_args"), "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}"
      ),
      ElementsAre(
          AnswerPiece{Kind::kCall, "f"}, AnswerPiece{Kind::kArguments, "{\"a\": 1}"},
          AnswerPiece{Kind::kCall, "g"}, AnswerPiece{Kind::kArguments, "{}"}
      )
  );
}

TEST(AnswerParser, CallsThatAreCutOffKeepWhatHasCome) {
  const AnswerShape shape = tools_shape("hermes");
  EXPECT_THAT(
      parse_however_cut(shape, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"b"),
      ElementsAre(AnswerPiece{Kind::kCall, "f"}, AnswerPiece{Kind::kArguments, "{\"a\": \"b"})
  );
  EXPECT_THAT(
      parse_however_cut(shape, "So <tool_call>\n{\"na"),
      ElementsAre(AnswerPiece{Kind::kText, "So <tool_call>\n{\"na"})
  );
}

TEST(AnswerParser, WhatIsNoCallAfterAllIsText) {
  EXPECT_THAT(
      parse_however_cut(tools_shape("hermes"), "<tool_call>\nhello</tool_call> "),
      ElementsAre(AnswerPiece{Kind::kText, "<tool_call>\nhello</tool_call> "})
  );
}

/// Texts put together at random from what the parser looks for, whole and broken.
TEST(AnswerParser, CutsChangeNothingInWhateverText) {
  constexpr uint32_t kSeed = 20261128;
  std::mt19937 random(kSeed);
  const std::vector<std::string> fragments = {
      "<think>",
      "</think>",
      "<thi",
      "nk>",
      "</",
      "<tool_call>",
      "</tool_call>",
      "<tool",
      "\n",
      " ",
      "{\"name\": \"",
      "f",
      "\", \"arguments\": ",
      "\", \"parameters\": ",
      "{\"a\": [\"}\\\"\"]}",
      "{}",
      "}",
      "]",
      "[TOOL_CALLS]",
      "[TOOL_CALLS] [",
      "[ARGS]",
      "[",
      ", ",
      "; ",
      "text",
      "\""
  };
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (uint32_t n = random() % 14; n > 0; --n) text += fragments[random() % fragments.size()];
    AnswerShape shape;
    if (random() % 2 == 0) shape.reasoning = kThink;
    shape.begins_in_reasoning = random() % 2 == 0;
    const uint32_t choice = random() % 7;
    if (choice < tool_formats().size()) shape.tools = tool_formats()[choice];
    std::vector<std::string_view> bytes;
    for (size_t at = 0; at < text.size(); ++at)
      bytes.push_back(std::string_view(text).substr(at, 1));
    const size_t cut = text.empty() ? 0 : random() % text.size();
    const std::string_view view = text;
    const std::vector<AnswerPiece> whole = parse(shape, {view});
    ASSERT_EQ(parse(shape, bytes), whole) << "seed " << kSeed << ", text " << i << ": " << text;
    ASSERT_EQ(parse(shape, {view.substr(0, cut), view.substr(cut)}), whole)
        << "seed " << kSeed << ", text " << i << " cut at " << cut << ": " << text;
  }
}

TEST(AnswerParser, CallsPiecesComeWithoutDelay) {
  AnswerParser parser(tools_shape("hermes"));
  parser.push("<tool_call>\n{\"name\": \"f\", \"arguments\": ");
  EXPECT_THAT(parser.push("{\"a"), ElementsAre(AnswerPiece{Kind::kArguments, "{\"a"}));
  EXPECT_THAT(parser.push("\": 1"), ElementsAre(AnswerPiece{Kind::kArguments, "\": 1"}));
  EXPECT_THAT(parser.push("}"), ElementsAre(AnswerPiece{Kind::kArguments, "}"}));
  EXPECT_THAT(parser.push("}\n</tool_call>"), IsEmpty());
}

}  // namespace
}  // namespace trellis
