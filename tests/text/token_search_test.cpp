#include "text/token_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace trellis {
namespace {

class TokenSearch : public testing::Test {
 protected:
  std::string text_of(int32_t id) const {
    return tokenizer_->decode(std::array<int32_t, 1>{id}, true);
  }

  std::unique_ptr<Tokenizer> tokenizer_ =
      Tokenizer::from_file(TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m/tokenizer.json");
};

TEST_F(TokenSearch, FindsEveryTokenWhoseTextContainsOneOfTheTexts) {
  const std::vector<std::string> texts = {"e", "."};

  const std::set<int32_t> ids = tokens_containing(*tokenizer_, texts);

  EXPECT_GT(ids.size(), 50u);
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    const bool contains = text_of(id).find_first_of("e.") != std::string::npos;
    ASSERT_EQ(ids.contains(id), contains) << id;
  }
}

TEST_F(TokenSearch, TakesTheLastTokenOfATextThatNoTokenContains) {
  const std::vector<std::string> texts = {"no token is as long as this"};

  const std::set<int32_t> ids = tokens_containing(*tokenizer_, texts);

  EXPECT_THAT(ids, testing::ElementsAre(tokenizer_->encode(texts[0], false).back()));
}

TEST_F(TokenSearch, IgnoresEmptyTexts) {
  const std::vector<std::string> texts = {""};

  EXPECT_TRUE(tokens_containing(*tokenizer_, texts).empty());
}

}  // namespace
}  // namespace trellis
