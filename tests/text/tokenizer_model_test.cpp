// The same ids for vocabularies whose licences or sizes keep them out of the repository. Needs
// TRELLIS_TEST_DATA.
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace trellis {
namespace {

const std::filesystem::path kTokenizers = std::filesystem::path(TRELLIS_TEST_DATA) / "tokenizers";

// Which expected file a tokenizer.json reproduces.
struct Pair {
  const char* tokenizer;
  const char* expected;
  bool unpacked;  // from extra.tar.xz
};

class TokenizerPair : public testing::TestWithParam<Pair> {};

TEST_P(TokenizerPair, GivesTheExpectedIdsForAllTexts) {
  const auto& [name, expected, unpacked] = GetParam();
  const std::filesystem::path folder = unpacked ? TRELLIS_EXTRA_TOKENIZERS : kTokenizers;
  const auto expected_folder = kTokenizers / "_expected_llama.cpp";
  const auto tokenizer = Tokenizer::from_file(folder / name / "tokenizer.json");

  expect_ids(
      *tokenizer, expected_folder / (std::string(expected) + ".inp"),
      expected_folder / (std::string(expected) + ".out")
  );
}

INSTANTIATE_TEST_SUITE_P(
    Vocabularies, TokenizerPair,
    testing::Values(
        Pair{"gpt2", "gpt-2", false}, Pair{"llama3.2", "llama-bpe", false},
        Pair{"qwen2.5", "qwen2", false}, Pair{"qwen2.5", "deepseek-r1-qwen", false},
        Pair{"phi3-mini", "phi-3", false}, Pair{"phi3-mini", "llama-spm", false},
        Pair{"tinyllama", "phi-3", false}, Pair{"tinyllama", "llama-spm", false},
        Pair{"falcon", "falcon", true}, Pair{"olmo-gpt-neox", "mpt", true}
    ),
    [](const auto& info) {
      std::string name = std::string(info.param.tokenizer) + "_as_" + info.param.expected;
      for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
      }
      return name;
    }
);

TEST(ModelFolders, HoldTokenizersThatDecodeWhatTheyEncode) {
  const std::string text = "Once upon a time there was a cat.";
  int num_tokenizers = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(TRELLIS_TEST_DATA) / "models")) {
    const auto file = entry.path() / "tokenizer.json";
    if (!std::filesystem::exists(file)) continue;
    const auto tokenizer = Tokenizer::from_file(file);

    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), true), text) << file;
    ++num_tokenizers;
  }
  EXPECT_GT(num_tokenizers, 0);
}

}  // namespace
}  // namespace trellis
