#include "engine/event_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <semaphore>
#include <thread>

namespace trellis {
namespace {

using testing::ElementsAre;

Event token(int32_t id, const std::string& text) {
  Event event;
  event.token_ids = {id};
  event.text = text;
  event.logprobs.resize(1);
  event.logprobs[0].token_id = id;
  event.usage.decode_tokens = id;
  return event;
}

TEST(EventChannel, MergesWhatASlowReaderHasNotTaken) {
  EventChannel channel;
  channel.push(token(1, "one "));
  channel.push(token(2, "two "));
  Event last = token(3, "three");
  last.finished = true;
  last.finish_reason = FinishReason::kLength;
  channel.push(last);

  const std::optional<Event> merged = channel.pop();

  ASSERT_TRUE(merged.has_value());
  EXPECT_EQ(merged->text, "one two three");
  EXPECT_THAT(merged->token_ids, ElementsAre(1, 2, 3));
  ASSERT_EQ(merged->logprobs.size(), 3u);
  EXPECT_EQ(merged->logprobs[2].token_id, 3);
  EXPECT_EQ(merged->finish_reason, FinishReason::kLength);
  EXPECT_EQ(merged->usage.decode_tokens, 3);
  EXPECT_FALSE(channel.pop().has_value());
}

TEST(EventChannel, KeepsEarlierTextWhenTheRequestFails) {
  EventChannel channel;
  channel.push(token(1, "one"));
  channel.fail("broken");

  const std::optional<Event> event = channel.pop();

  EXPECT_EQ(event->text, "one");
  EXPECT_EQ(event->error, "broken");
  EXPECT_TRUE(event->finished);
  EXPECT_FALSE(channel.pop().has_value());
}

TEST(EventChannel, TryPopGivesWhatIsThereAndNeverWaits) {
  EventChannel channel;
  EXPECT_FALSE(channel.try_pop().has_value());
  channel.push(token(1, "one"));

  EXPECT_EQ(channel.try_pop()->text, "one");
  EXPECT_FALSE(channel.try_pop().has_value());
  channel.fail("broken");
  EXPECT_TRUE(channel.try_pop()->finished);
  EXPECT_FALSE(channel.try_pop().has_value());
  EXPECT_FALSE(channel.pop().has_value());
}

TEST(EventChannel, CallsBackWhenThereIsSomethingAgain) {
  EventChannel channel;
  int calls = 0;
  channel.on_ready([&] { ++calls; });
  EXPECT_EQ(calls, 0);

  channel.push(token(1, "one "));
  EXPECT_EQ(calls, 1);
  channel.push(token(2, "two"));  // joins the event that was announced
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(channel.try_pop()->text, "one two");
  channel.push(token(3, "three"));
  EXPECT_EQ(calls, 2);
}

TEST(EventChannel, CallsBackAtOnceForWhatIsThereAlready) {
  EventChannel channel;
  channel.push(token(1, "one"));
  int calls = 0;
  channel.on_ready([&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(EventChannel, ACallbackMayTakeTheEvent) {
  EventChannel channel;
  std::string text;
  channel.on_ready([&] {
    while (auto event = channel.try_pop()) text += event->text;
  });

  channel.push(token(1, "one "));
  channel.push(token(2, "two"));

  EXPECT_EQ(text, "one two");
}

TEST(EventChannel, LosesNoEventToAReaderWithoutAThread) {
  EventChannel channel;
  std::counting_semaphore<> announced(0);
  channel.on_ready([&] { announced.release(); });
  std::thread writer([&] {
    for (int32_t id = 0; id < 1000; ++id) channel.push(token(id, "x"));
    channel.fail("");
  });

  std::string text;
  for (bool finished = false; !finished;) {
    announced.acquire();  // a wake that does not come would hang the test
    while (auto event = channel.try_pop()) {
      text += event->text;
      finished = event->finished;
    }
  }
  writer.join();

  EXPECT_EQ(text, std::string(1000, 'x'));
}

TEST(EventChannel, WakesAReaderThatWaits) {
  EventChannel channel;
  std::string text;
  std::thread reader([&] {
    while (auto event = channel.pop()) text += event->text;
  });

  for (int32_t id = 0; id < 100; ++id) channel.push(token(id, "x"));
  channel.fail("");
  reader.join();

  EXPECT_EQ(text, std::string(100, 'x'));
}

}  // namespace
}  // namespace trellis
