#include "apps/trellis/chat_session.h"

#include "base/error_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::HasSubstr;

/// One token for each character of content: sizes that a reader can count.
std::vector<int32_t> one_token_per_character(const OrderedJson& messages) {
  std::vector<int32_t> ids;
  for (const auto& message : messages) {
    for (const char c : message["content"].get<std::string>()) ids.push_back(c);
  }
  return ids;
}

std::string text_of(const ChatSession::Prompt& prompt) {
  return {prompt.ids.begin(), prompt.ids.end()};
}

TEST(ChatSession, PromptHoldsEveryMessageInOrder) {
  ChatSession session(one_token_per_character, 100);

  session.set_system("be kind. ");
  session.add_user("hello? ");
  session.add_answer("hi. ");
  session.add_user("why?");

  const auto prompt = session.prompt();
  EXPECT_EQ(text_of(prompt), "be kind. hello? hi. why?");
  EXPECT_EQ(prompt.num_dropped, 0);
  EXPECT_EQ(session.prompt_tokens(), 24);
}

TEST(ChatSession, MessagesCarryTheirRoles) {
  ChatSession session(one_token_per_character, 100);

  session.set_system("s");
  session.add_user("u");
  session.add_answer("a");

  const OrderedJson expected = OrderedJson::parse(
      R"([{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}])"
  );
  EXPECT_EQ(session.messages(), expected);
}

TEST(ChatSession, EmptySystemMessageIsLeftOut) {
  ChatSession session(one_token_per_character, 100);

  session.set_system("old");
  session.set_system("");
  session.add_user("u");

  EXPECT_EQ(session.messages().size(), 1U);
}

TEST(ChatSession, OldestTurnsLeaveWhenTheContextIsFull) {
  ChatSession session(one_token_per_character, 20);  // 15 for the prompt
  session.set_system("SYS");
  session.add_user("aaaaa");
  session.add_answer("bbbbb");
  session.add_user("ccccc");

  const auto prompt = session.prompt();  // 3 + 15 tokens do not fit

  EXPECT_EQ(text_of(prompt), "SYSccccc");
  EXPECT_EQ(prompt.num_dropped, 2);
}

TEST(ChatSession, DroppedTurnsStayInTheRecordAndOutOfSight) {
  ChatSession session(one_token_per_character, 20);
  session.add_user("aaaaaaaa");
  session.add_answer("bbbbbbbb");
  session.add_user("c");
  session.prompt();
  session.add_answer("d");
  session.add_user("e");

  const auto prompt = session.prompt();

  EXPECT_EQ(text_of(prompt), "cde");
  EXPECT_EQ(prompt.num_dropped, 0);
  EXPECT_EQ(session.messages().size(), 5U);
}

TEST(ChatSession, MessageLongerThanTheContextIsRefused) {
  ChatSession session(one_token_per_character, 20);
  session.add_user("0123456789012345");

  EXPECT_USER_ERROR(session.prompt(), HasSubstr("needs 16 tokens"));
}

TEST(ChatSession, RetryTakesBackTheLastAnswerOnly) {
  ChatSession session(one_token_per_character, 100);
  session.add_user("u");
  session.add_answer("a");

  EXPECT_TRUE(session.retry());
  EXPECT_EQ(text_of(session.prompt()), "u");
  EXPECT_FALSE(session.retry());
}

TEST(ChatSession, ClearKeepsTheSystemMessage) {
  ChatSession session(one_token_per_character, 100);
  session.set_system("s");
  session.add_user("u");
  session.add_answer("a");

  session.clear();
  session.add_user("v");

  EXPECT_EQ(text_of(session.prompt()), "sv");
}

TEST(ChatSession, RefusedMessageCanBeTakenBack) {
  ChatSession session(one_token_per_character, 20);
  session.add_user("a");
  session.add_answer("b");
  session.add_user("01234567890123456789");
  EXPECT_USER_ERROR(session.prompt(), HasSubstr("shorten it"));

  session.remove_last();
  session.add_user("c");

  EXPECT_EQ(text_of(session.prompt()), "abc");
}

}  // namespace
}  // namespace trellis
