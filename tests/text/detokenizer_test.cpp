// Streaming text against decoding it at once, over vocabularies that split characters into bytes.
#include "text/detokenizer.h"

#include "text/tokenizer_files.h"

#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

// Emoji with joiners and skin tones, rare Chinese, Tibetan, Linear B, combining marks, flags,
// controls.
const std::vector<std::string> kTexts = {
    "🤦🏼‍♂️ 👩‍👩‍👧‍👦 🇳🇵🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "𠜎𠜱𠝹𠱓 龘靐齉 你好，世界。",
    "བོད་སྐད་ 𐀀𐀁𐀂 𓀀𓁀 ᚠᛇᚻ",
    "Zalgo: Ḩ̶̢̲e̷̡͙c̸ ñ é ﷽ \u200b\u2028",
    " leading space\n\n\ttabs  and   spaces   ",
    "ａｂｃ \U0010FFFF \u0001\u007f",
};

bool is_whole_utf8(const std::string& text) {
  Utf8Buffer buffer;
  return buffer.push(text) == text && buffer.pending_bytes() == 0;
}

std::string stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip = true) {
  Detokenizer detokenizer(tokenizer, skip);
  std::string text;
  for (const int32_t id : ids) {
    const std::string part = detokenizer.push(id);
    EXPECT_TRUE(is_whole_utf8(part)) << "after token " << id;
    text += part;
  }
  return text + detokenizer.flush();
}

class DetokenizerOf : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { tokenizer_ = committed_tokenizer(GetParam()); }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(DetokenizerOf, StreamsCharactersThatSpanTokens) {
  for (const std::string& text : kTexts) {
    EXPECT_EQ(stream(*tokenizer_, tokenizer_->encode(text, false)), text);
  }
}

TEST_P(DetokenizerOf, StreamsTheTextsOfLlamaCpp) {
  for (const std::string& text : read_texts(committed_tokenizers() / "texts.inp")) {
    EXPECT_EQ(stream(*tokenizer_, tokenizer_->encode(text, false)), text);
  }
}

TEST_P(DetokenizerOf, StreamsSpecialTokensAsDecodingAtOnceDoes) {
  auto ids = tokenizer_->encode("one", true);
  ids.push_back(static_cast<int32_t>(tokenizer_->vocab_size()) - 1);
  for (const int32_t id : tokenizer_->encode("two", true)) ids.push_back(id);

  for (const bool skip : {true, false}) {
    EXPECT_EQ(stream(*tokenizer_, ids, skip), tokenizer_->decode(ids, skip)) << skip;
  }
}

TEST_P(DetokenizerOf, ContinuesThePromptWithoutLosingTheSpaceBetween) {
  const auto prompt = tokenizer_->encode("The cat", false);
  const auto whole = tokenizer_->encode("The cat sat down", false);
  ASSERT_TRUE(std::equal(prompt.begin(), prompt.end(), whole.begin()));
  Detokenizer detokenizer(*tokenizer_);
  std::string text;

  detokenizer.prime(prompt);
  for (size_t i = prompt.size(); i < whole.size(); ++i) text += detokenizer.push(whole[i]);

  EXPECT_EQ(text, " sat down");
}

TEST_P(DetokenizerOf, IgnoresIdsOutsideTheVocabulary) {
  Detokenizer detokenizer(*tokenizer_);

  EXPECT_EQ(detokenizer.push(-1), "");
  EXPECT_EQ(detokenizer.push(static_cast<int32_t>(tokenizer_->vocab_size())), "");
  EXPECT_EQ(detokenizer.flush(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, DetokenizerOf, testing::Values("gpt2", "qwen2.5", "phi3-mini"),
    [](const auto& info) {
      const std::string name = info.param;
      return name == "qwen2.5" ? "Qwen2_5" : name == "gpt2" ? "Gpt2" : "Phi3Mini";
    }
);

TEST(Detokenizer, StreamsRandomIdsOfAByteLevelVocabularyAsDecodingAtOnceDoes) {
  const auto tokenizer = committed_tokenizer("gpt2");
  constexpr uint32_t kSeed = 20260307;
  std::mt19937 random(kSeed);

  for (int round = 0; round < 200; ++round) {
    std::vector<int32_t> ids(30);
    // The first 256 ids are the single bytes; half of the tokens come from them, so that most text
    // is broken.
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % (random() % 2 == 0 ? 256 : 50257));
    EXPECT_EQ(stream(*tokenizer, ids), tokenizer->decode(ids, true))
        << "seed " << kSeed << " round " << round;
  }
}

// Marks of tool calls and the like are tokens of their own, but text.
TEST(Detokenizer, ShowsAddedTokensThatAreNotSpecial) {
  const std::string file = read_text(committed_tokenizers() / "gpt2" / "tokenizer.json");
  const auto tokenizer = Tokenizer::from_json(
      file, "gpt2",
      R"({"added_tokens_decoder": {"50257": {"content": "<tool>", "special": false},
                                   "50258": {"content": "<|end|>", "special": true}}})"
  );
  const auto ids = tokenizer->encode("a<tool>b<|end|>c", false);

  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(stream(*tokenizer, ids, true), "a<tool>bc");
  EXPECT_EQ(stream(*tokenizer, ids, false), "a<tool>b<|end|>c");
}

TEST(Detokenizer, ReplacesBytesThatNeverBecomeACharacter) {
  const auto tokenizer = committed_tokenizer("phi3-mini");
  const auto byte = [&](const char* token) { return tokenizer->token_to_id(token).value(); };
  Detokenizer detokenizer(*tokenizer);

  EXPECT_EQ(detokenizer.push(byte("<0xF0>")), "");
  EXPECT_EQ(detokenizer.push(byte("<0x9F>")), "");
  EXPECT_EQ(detokenizer.push(byte("<0xF0>")), "\uFFFD");
  EXPECT_EQ(detokenizer.push(byte("<0xFF>")), "\uFFFD\uFFFD");
  EXPECT_EQ(detokenizer.push(byte("<0xE4>")), "");
  EXPECT_EQ(detokenizer.push(tokenizer->token_to_id("▁cat").value()), "\uFFFD cat");
  EXPECT_EQ(detokenizer.push(byte("<0xC3>")), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.flush(), "");
}

// A WordPiece vocabulary: what a token adds depends on whether it is the first.
TEST(Detokenizer, StreamsDecodersThatLookAtNeighbours) {
  const auto tokenizer = Tokenizer::from_json(
      R"({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
          "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
          "model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100,
                    "vocab": {"?": 0, "un": 1, "##like": 2, "##ly": 3, "is": 4, ".": 5}}})",
      "wordpiece"
  );
  const auto ids = tokenizer->encode("unlikely is unlike.", false);

  EXPECT_EQ(stream(*tokenizer, ids), "unlikely is unlike.");
  EXPECT_EQ(stream(*tokenizer, {1, 2, 3, 4, 1, 5}), tokenizer->decode({{1, 2, 3, 4, 1, 5}}, true));
}

TEST(Detokenizer, StripsTheStartOfAMetaspaceVocabularyOnce) {
  const auto tokenizer = Tokenizer::from_json(
      R"({"version": "1.0", "added_tokens": [],
          "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
          "model": {"type": "BPE", "vocab": {"▁a": 0, "▁": 1, "b": 2}, "merges": []}})",
      "metaspace"
  );

  for (const std::vector<int32_t>& ids :
       {std::vector<int32_t>{0, 0, 2}, std::vector<int32_t>{1, 0, 1, 2}}) {
    EXPECT_EQ(stream(*tokenizer, ids), tokenizer->decode(ids, true));
  }
}

TEST(Detokenizer, SpellsOutTheSpecialTokensThatItIsToldTo) {
  const auto tokenizer = committed_tokenizer("qwen2.5");
  const int32_t start = tokenizer->token_to_id("<|im_start|>").value();
  const int32_t end = tokenizer->token_to_id("<|im_end|>").value();
  const int32_t word = tokenizer->encode("Hi", false).at(0);
  Detokenizer detokenizer(*tokenizer, true, {start});

  std::string text;
  for (const int32_t id : {word, start, word, end, start}) text += detokenizer.push(id);

  EXPECT_EQ(text + detokenizer.flush(), "Hi<|im_start|>Hi<|im_start|>");
}

}  // namespace
}  // namespace trellis
