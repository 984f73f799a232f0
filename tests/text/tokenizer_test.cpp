// Tokenizers against the ids that llama.cpp expects for the same vocabularies, and against damaged
// files.
#include "text/tokenizer.h"

#include "base/error.h"
#include "base/temporary_directory.h"
#include "text/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class CommittedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(CommittedTokenizer, GivesTheExpectedIdsForAllTexts) {
  const auto tokenizer = committed_tokenizer(GetParam());

  expect_ids(
      *tokenizer, committed_tokenizers() / "texts.inp",
      committed_tokenizers() / GetParam() / "expected.out"
  );
}

TEST_P(CommittedTokenizer, DecodesTheIdsToTheSameTexts) {
  const auto tokenizer = committed_tokenizer(GetParam());

  for (const std::string& text : read_texts(committed_tokenizers() / "texts.inp")) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), text);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, CommittedTokenizer, testing::Values("gpt2", "qwen2.5", "phi3-mini"),
    [](const auto& info) {
      const std::string name = info.param;
      return name == "qwen2.5" ? "Qwen2_5" : name == "gpt2" ? "Gpt2" : "Phi3Mini";
    }
);

TEST(Tokenizer, TurnsSpelledOutSpecialTokensIntoTheirIds) {
  const auto tokenizer = committed_tokenizer("qwen2.5");

  EXPECT_THAT(tokenizer->encode("<|im_start|>a<|im_end|>", false), ElementsAre(151644, 64, 151645));
  EXPECT_EQ(tokenizer->token_to_id("<|im_end|>"), 151645);
  EXPECT_EQ(tokenizer->token_to_id("<|no such token|>"), std::nullopt);
  EXPECT_EQ(tokenizer->id_to_token(151645), "<|im_end|>");
}

TEST(Tokenizer, SkipsSpecialTokensOnlyWhenAsked) {
  const auto tokenizer = committed_tokenizer("qwen2.5");
  const std::vector<int32_t> ids{151644, 64, 151645};

  EXPECT_EQ(tokenizer->decode(ids, false), "<|im_start|>a<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "a");
}

TEST(Tokenizer, AddsWhatThePostProcessorSaysOnlyWhenAsked) {
  const auto tokenizer = Tokenizer::from_json(
      R"({"version": "1.0",
          "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
                            "rstrip": false, "normalized": false, "special": true}],
          "pre_tokenizer": {"type": "Whitespace"},
          "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
          "model": {"type": "WordLevel", "vocab": {"<s>": 0, "hello": 1, "?": 2}, "unk_token": "?"}})",
      "word level"
  );

  EXPECT_THAT(tokenizer->encode("hello", false), ElementsAre(1));
  EXPECT_THAT(tokenizer->encode("hello", true), ElementsAre(0, 1));
}

// Expected ids and texts: PreTrainedTokenizerFast of transformers 5.23 with the same two files.
TEST(Tokenizer, AddsTokensThatOnlyTheConfigurationNames) {
  const std::string file = read_text(committed_tokenizers() / "gpt2" / "tokenizer.json");
  const auto tokenizer = Tokenizer::from_json(file, "gpt2", R"({"added_tokens_decoder": {
      "50258": {"content": "<|im_end|>", "normalized": false, "special": true},
      "50257": {"content": "<|im_start|>", "normalized": false, "special": true},
      "50259": {"content": "<tool>", "normalized": false, "special": false},
      "50256": {"content": "<|endoftext|>", "normalized": false, "special": true},
      "11": {"content": ",", "normalized": false, "special": false}}})");

  const auto ids = tokenizer->encode("<|im_start|>user a,b<tool>x<|im_end|><|endoftext|>", false);

  EXPECT_THAT(ids, ElementsAre(50257, 7220, 257, 11, 65, 50259, 87, 50258, 50256));
  EXPECT_EQ(tokenizer->decode(ids, true), "user a,b<tool>x");
  EXPECT_EQ(tokenizer->vocab_size(), 50260);
}

TEST(Tokenizer, ReadsTheConfigurationBesideItsFile) {
  const TemporaryDirectory directory;
  directory.write(
      "tokenizer.json",
      R"({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
          "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"}})"
  );
  const auto config = directory.write(
      "tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "<e>"}}})"
  );
  const auto load = [&] { return Tokenizer::from_file(directory.path() / "tokenizer.json"); };
  EXPECT_THAT(load()->encode("a <e>", false), ElementsAre(0, 2));

  directory.write("tokenizer_config.json", "{");
  EXPECT_THAT(load, ThrowsMessage<UserError>(HasSubstr("tokenizer_config.json")));
  std::filesystem::remove(config);
  EXPECT_THAT(load()->encode("a b", false), ElementsAre(0, 1));
}

// A file may say that texts are cut after so many tokens, or filled up; neither is for a prompt.
TEST(Tokenizer, NeitherTruncatesNorPads) {
  const auto tokenizer = Tokenizer::from_json(
      R"({"version": "1.0",
          "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
          "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
                      "pad_id": 1, "pad_type_id": 0, "pad_token": "b"},
          "pre_tokenizer": {"type": "Whitespace"},
          "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}})",
      "word level"
  );

  EXPECT_THAT(tokenizer->encode("a b a b", true), ElementsAre(0, 1, 0, 1));
}

TEST(Tokenizer, IgnoresIdsOutsideTheVocabularyWhenDecoding) {
  const auto tokenizer = committed_tokenizer("gpt2");
  const std::vector<int32_t> ids{-1, 31373, 50257, 2147483647};

  EXPECT_EQ(tokenizer->vocab_size(), 50257);
  EXPECT_EQ(tokenizer->decode(ids, false), "hello");
  EXPECT_EQ(tokenizer->id_to_token(50257), "");
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = committed_tokenizer("gpt2");

  EXPECT_THAT(
      [&] { tokenizer->encode("ab\xFF", false); }, ThrowsMessage<UserError>(HasSubstr("byte 2"))
  );
}

TEST(Tokenizer, TakesZeroBytesAsText) {
  const auto tokenizer = committed_tokenizer("gpt2");
  const std::string text("a\0b", 3);

  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), text);
}

TEST(Tokenizer, MayBeUsedByManyThreads) {
  const auto tokenizer = committed_tokenizer("gpt2");
  const std::string text = "Many threads share one tokenizer.";
  const auto expected = tokenizer->encode(text, false);
  std::vector<int> equal(4, 0);
  std::vector<std::thread> threads;

  for (size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) equal[i] += tokenizer->encode(text, false) == expected ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();

  EXPECT_THAT(equal, ElementsAre(50, 50, 50, 50));
}

struct DamagedFile {
  const char* name;
  const char* json;
};

class DamagedTokenizer : public testing::TestWithParam<DamagedFile> {};

TEST_P(DamagedTokenizer, IsRefusedWithItsName) {
  EXPECT_THAT(
      [] { Tokenizer::from_json(GetParam().json, "a/tokenizer.json"); },
      ThrowsMessage<UserError>(
          AllOf(HasSubstr("a/tokenizer.json"), HasSubstr("not a usable tokenizer.json"))
      )
  );
}

INSTANTIATE_TEST_SUITE_P(
    Files, DamagedTokenizer,
    testing::Values(
        DamagedFile{"Empty", ""}, DamagedFile{"EmptyObject", "{}"}, DamagedFile{"Array", "[]"},
        DamagedFile{"Zero", "null"}, DamagedFile{"NotUtf8", "{\"version\": \"\xFF\"}"},
        DamagedFile{"ModelIsANumber", R"({"version": "1.0", "added_tokens": [], "model": 3})"},
        DamagedFile{
            "VocabularyIsAList",
            R"({"version": "1.0", "model": {"type": "BPE", "vocab": [1], "merges": []}})"
        },
        DamagedFile{
            "MergeOfUnknownTokens",
            R"({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})"
        },
        DamagedFile{
            "IdIsNegative",
            R"({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"
        },
        DamagedFile{
            "IdIsHuge",
            R"({"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 4294967295},
                "unk_token": "a"}})"
        },
        DamagedFile{
            "NoTokens",
            R"({"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "a"}})"
        },
        DamagedFile{
            "PatternDoesNotCompile",
            R"({"version": "1.0", "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("},
                "behavior": "Isolated", "invert": false},
                "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"
        }
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(Tokenizer, RefusesATruncatedFile) {
  const std::string whole = read_text(committed_tokenizers() / "phi3-mini" / "tokenizer.json");

  for (const size_t size : {size_t{1}, size_t{100}, whole.size() / 2, whole.size() - 3}) {
    EXPECT_THROW(Tokenizer::from_json(whole.substr(0, size), "cut"), UserError) << size;
  }
}

TEST(Tokenizer, RefusesAFileNestedTooDeeply) {
  EXPECT_THROW(Tokenizer::from_json(std::string(1 << 20, '['), "deep"), UserError);
}

TEST(Tokenizer, NamesAMissingFile) {
  EXPECT_THAT(
      [] { Tokenizer::from_file("no/such/tokenizer.json"); },
      ThrowsMessage<UserError>(HasSubstr("no/such/tokenizer.json"))
  );
}

}  // namespace
}  // namespace trellis
