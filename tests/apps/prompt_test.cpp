#include "apps/trellis/prompt.h"

#include "apps/trellis/evaluation_tokens.h"
#include "base/error_matchers.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::filesystem::path kModel = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";

std::unique_ptr<Tokenizer> tiny_tokenizer() {
  return Tokenizer::from_file(kModel / "tokenizer.json");
}

TEST(ParseTokenIds, ReadsNumbersPartedByCommas) {
  EXPECT_THAT(parse_token_ids("1,2,3"), ElementsAre(1, 2, 3));
  EXPECT_THAT(parse_token_ids(" 1 , 2 "), ElementsAre(1, 2));
  EXPECT_THAT(parse_token_ids("-5"), ElementsAre(-5));  // refused later, with the vocabulary's size
  EXPECT_THAT(parse_token_ids(""), IsEmpty());
}

TEST(ParseTokenIds, RefusesWhatIsNoListOfNumbers) {
  EXPECT_USER_ERROR(parse_token_ids("1,x"), HasSubstr("\"1,x\""));
  EXPECT_USER_ERROR(parse_token_ids("1 2"), HasSubstr("parted by commas"));
  EXPECT_USER_ERROR(parse_token_ids("1,"), HasSubstr("last comma"));
  EXPECT_USER_ERROR(parse_token_ids(","), HasSubstr("parted by commas"));
  EXPECT_USER_ERROR(parse_token_ids("99999999999"), HasSubstr("99999999999"));
}

TEST(BeginToken, ComesFromTheTokenizersConfiguration) {
  const BeginToken begin = read_begin_token(kModel, *tiny_tokenizer());

  EXPECT_EQ(begin.id, 0);
  EXPECT_EQ(begin.text, "<|endoftext|>");
}

TEST(EncodeText, EmptyTextIsTheBeginToken) {
  const auto tokenizer = tiny_tokenizer();

  EXPECT_THAT(encode_text(*tokenizer, {7, "<s>"}, ""), ElementsAre(7));
  EXPECT_THAT(encode_text(*tokenizer, {}, ""), IsEmpty());
}

TEST(EncodeText, WrittenBeginTokenIsNotDoubled) {
  const auto tokenizer = tiny_tokenizer();
  const BeginToken begin = read_begin_token(kModel, *tokenizer);

  const auto ids = encode_text(*tokenizer, begin, "<|endoftext|>a");

  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(ids[0], 0);
}

TEST(EncodeText, BeginTokenOfTheTokenizerIsNotDoubledByAWrittenOne) {
  const auto tokenizer = Tokenizer::from_json(
      R"({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
          "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
                            "rstrip": false, "normalized": false, "special": true}],
          "post_processor": {"type": "TemplateProcessing", "pair": [],
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
          "model": {"type": "WordLevel", "vocab": {"<s>": 0, "a": 1}, "unk_token": "a"}})",
      "word level"
  );

  EXPECT_THAT(encode_text(*tokenizer, {0, "<s>"}, "a"), ElementsAre(0, 1));
  EXPECT_THAT(encode_text(*tokenizer, {0, "<s>"}, "<s>a"), ElementsAre(0, 1));
}

TEST(EncodeConversation, LetsTheTemplateWriteTheSpecialTokens) {
  const auto tokenizer = tiny_tokenizer();
  const auto chat_template = read_chat_template(kModel);
  ASSERT_NE(chat_template, nullptr);
  const OrderedJson messages = OrderedJson::parse(R"([{"role":"user","content":"Hi"}])");

  const auto ids = encode_conversation(*tokenizer, *chat_template, messages);

  EXPECT_EQ(
      tokenizer->decode(ids, false), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
  );
  EXPECT_EQ(ids.front(), tokenizer->token_to_id("<|im_start|>"));
}

TEST(ReadTextFile, StopsAtTheLimit) {
  const TemporaryDirectory directory;
  const auto file = directory.write("text", "0123456789");

  EXPECT_EQ(read_text_file(file, 100), "0123456789");
  EXPECT_EQ(read_text_file(file, 4), "0123");
}

TEST(ReadTextFile, NamesAFileThatCannotBeRead) {
  const TemporaryDirectory directory;

  EXPECT_USER_ERROR(read_text_file(directory.path() / "none", 9), HasSubstr("none"));
  EXPECT_USER_ERROR(read_text_file(directory.path(), 9), HasSubstr("cannot be read"));
}

TEST(PrefixBytes, CountsCharactersNotBytes) {
  EXPECT_EQ(prefix_bytes("abc", 2), 2U);
  EXPECT_EQ(prefix_bytes("\u00e4\u20ac\U0001F600z", 1), 2U);
  EXPECT_EQ(prefix_bytes("\u00e4\u20ac\U0001F600z", 2), 5U);
  EXPECT_EQ(prefix_bytes("\u00e4\u20ac\U0001F600z", 3), 9U);
  EXPECT_EQ(prefix_bytes("abc", 0), 0U);
  EXPECT_EQ(prefix_bytes("abc", 9), 3U);
}

TEST(ChatTokens, SeparatesConversationsAndTexts) {
  const TemporaryDirectory directory;
  const auto file = directory.write(
      "chat.jsonl",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n\n{\"text\": \"As it is.\"}\n"
  );
  const auto tokenizer = tiny_tokenizer();

  const auto ids =
      chat_tokens(*tokenizer, *read_chat_template(kModel), "<|endoftext|>", file, 1000);

  EXPECT_EQ(
      tokenizer->decode(ids, false), "<|im_start|>user\nHi<|im_end|>\n<|endoftext|>As it is."
  );
}

TEST(ChatTokens, NamesTheLineAtFault) {
  const TemporaryDirectory directory;
  const auto file = directory.write("chat.jsonl", "{\"text\": \"fine\"}\n{\"other\": 1}\n");

  EXPECT_USER_ERROR(
      chat_tokens(*tiny_tokenizer(), *read_chat_template(kModel), "", file, 1000),
      HasSubstr("chat.jsonl: line 2")
  );
}

}  // namespace
}  // namespace trellis
