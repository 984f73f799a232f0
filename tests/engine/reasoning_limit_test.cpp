#include "engine/reasoning_limit.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

class ReasoningLimitTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tokenizer_ = Tokenizer::from_file(TRELLIS_SOURCE_DIR
                                      "/tests/data/models/tiny-1m-exl3-3.0bpw/tokenizer.json");
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static ReasoningLimit limit(bool is_open, int64_t max_tokens) {
    return {{"<think>", "</think>", is_open, max_tokens}, *tokenizer_};
  }

  static constexpr int32_t kAnyToken = 0;

  /// The text of all tokens that must come now.
  static std::string closing(ReasoningLimit& limit) {
    std::vector<int32_t> ids;
    while (const auto id = limit.due_token()) {
      ids.push_back(*id);
      limit.take(*id, "");
    }
    return tokenizer_->decode(ids, false);
  }

  inline static std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(ReasoningLimitTest, ClosesThoughtsAfterThatManyTokens) {
  ReasoningLimit open = limit(true, 2);
  open.take(kAnyToken, "I ");
  EXPECT_FALSE(open.due_token());
  open.take(kAnyToken, "wonder");
  EXPECT_EQ(closing(open), "</think>");
  open.take(kAnyToken, "</think>");
  open.take(kAnyToken, "more");
  EXPECT_FALSE(open.due_token());
}

TEST_F(ReasoningLimitTest, CountsFromTheOpeningTag) {
  ReasoningLimit unopened = limit(false, 1);
  for (const char* text : {"\n", "<th", "ink", ">"}) {
    unopened.take(kAnyToken, text);
    EXPECT_FALSE(unopened.due_token()) << text;
  }
  unopened.take(kAnyToken, "Hm");
  EXPECT_EQ(closing(unopened), "</think>");
}

TEST_F(ReasoningLimitTest, LeavesAnswersAloneThatDoNotThink) {
  ReasoningLimit unopened = limit(false, 0);
  for (const char* text : {"Yes", "<think>", "x", "y"}) {
    unopened.take(kAnyToken, text);
    EXPECT_FALSE(unopened.due_token()) << text;
  }
}

TEST_F(ReasoningLimitTest, LeavesThoughtsAloneThatEndInTime) {
  ReasoningLimit open = limit(true, 4);
  for (const char* text : {"a</", "thi", "nk>", "b", "c", "d"}) {
    open.take(kAnyToken, text);
    EXPECT_FALSE(open.due_token()) << text;
  }
}

TEST_F(ReasoningLimitTest, WithoutABudgetThoughtsEndAtOnce) {
  ReasoningLimit open = limit(true, 0);
  EXPECT_EQ(closing(open), "</think>");
  ReasoningLimit unopened = limit(false, 0);
  EXPECT_FALSE(unopened.due_token());
  unopened.take(kAnyToken, "<think>");
  EXPECT_EQ(closing(unopened), "</think>");
}

}  // namespace
}  // namespace trellis
