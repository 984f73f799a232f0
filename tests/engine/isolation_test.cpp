// One request's end, by cancelling or failure, changes nothing for the others and gives its pages
// back.
#include "base/json.h"
#include "base/temporary_directory.h"
#include "engine/engine_harness.h"
#include "engine/generation.h"
#include "engine/scheduler.h"

#include <gmock/gmock.h>

#include <optional>
#include <thread>

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(EngineTest, RefusesAPromptThatCanNeverFitWithTheFigures) {
  const auto context = static_cast<size_t>(engine_->info().context_tokens);

  const auto refused = engine_->submit(greedy(std::vector<int32_t>(context + 8, 5)));

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_THAT(
      refused.error().message,
      AllOf(HasSubstr(std::to_string(context + 8)), HasSubstr(std::to_string(context)))
  );
  EXPECT_EQ(collect(engine_->submit(greedy(hello()))).text, "I am a Pool ride.");
}

TEST_F(EngineTest, ServesRequestsOfManyThreads) {
  const std::vector<int32_t> prompt = hello();
  const std::vector<int32_t> expected = collect(engine_->submit(greedy(prompt))).token_ids;
  std::vector<int> equal(4, 0);
  std::vector<std::thread> clients;

  for (size_t client = 0; client < equal.size(); ++client) {
    clients.emplace_back([&, client] {
      for (int round = 0; round < 5; ++round) {
        engine_->submit(greedy(prompt)).value()->cancel();
        if (collect(engine_->submit(greedy(prompt))).token_ids == expected) ++equal[client];
      }
    });
  }
  for (std::thread& client : clients) client.join();

  EXPECT_THAT(equal, testing::ElementsAre(5, 5, 5, 5));
}

/// An engine whose cache holds one whole sequence and no more, and slow enough to be interrupted.
class FullCache : public EngineTest {
 protected:
  FullCache() {
    EngineOptions options = tiny_model_options();
    options.backend = "reference";
    options.context_tokens = 512;
    options.cache_tokens = 512;
    full_ = Engine::load(options);
  }
  /// Needs every page until it is cancelled, for it never ends by itself within a test.
  Submitted need_all_pages() {
    Request request = greedy(hello());
    request.ignore_eos = true;
    return full_->submit(request);
  }
  std::unique_ptr<Engine> full_;
};

TEST_F(FullCache, ServesAWaitingRequestOnceACancelledOneGivesItsPagesBack) {
  Submitted holder = need_all_pages();
  ASSERT_TRUE(holder.value()->next().has_value());
  Submitted waiting = full_->submit(greedy(hello()));

  holder.value()->cancel();
  const Event cancelled = collect(std::move(holder));
  const Event served = collect(std::move(waiting));

  EXPECT_EQ(cancelled.finish_reason, FinishReason::kCancelled);
  EXPECT_LT(cancelled.usage.decode_tokens, 490);
  EXPECT_EQ(served.text, "I am a Pool ride.");
}

TEST_F(FullCache, CancelsARequestThatIsStillWaiting) {
  Submitted holder = need_all_pages();
  ASSERT_TRUE(holder.value()->next().has_value());
  Submitted waiting = full_->submit(greedy(hello()));
  Submitted behind = full_->submit(greedy(hello()));

  waiting.value()->cancel();
  const Event cancelled = collect(std::move(waiting));
  holder.value()->cancel();

  EXPECT_EQ(cancelled.finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(cancelled.token_ids.empty());
  EXPECT_EQ(collect(std::move(behind)).text, "I am a Pool ride.");
}

TEST_F(FullCache, GivesPagesBackWhenAReaderGoesAway) {
  {
    const Submitted left = need_all_pages();
    const Submitted never_read = need_all_pages();
  }

  EXPECT_EQ(collect(full_->submit(greedy(hello()))).text, "I am a Pool ride.");
}

TEST_F(FullCache, EndsOpenStreamsWithAnErrorWhenTheEngineGoes) {
  Submitted running = need_all_pages();
  ASSERT_TRUE(running.value()->next().has_value());
  Submitted waiting = full_->submit(greedy(hello()));

  full_.reset();

  EXPECT_EQ(collect(std::move(running)).finish_reason, FinishReason::kError);
  EXPECT_THAT(collect(std::move(waiting)).error, HasSubstr("shut down"));
}

// A decoder may be a pattern that gives up on some token: here on one in the middle of the answer.
TEST_F(EngineTest, FailsOnlyTheRequestWhoseTextCannotBeDecoded) {
  const TemporaryDirectory directory;
  const std::filesystem::path model(kTinyModel);
  for (const char* name :
       {"model.safetensors", "config.json", "generation_config.json", "tokenizer_config.json"}) {
    std::filesystem::create_symlink(model / name, directory.path() / name);
  }
  const std::vector<int32_t> ids = collect(engine_->submit(greedy(hello()))).token_ids;
  const std::string failing = engine_->tokenizer().id_to_token(ids[4]);
  Json tokenizer = read_json_file(model / "tokenizer.json");
  std::string gives_up = "^(?=" + failing + "$)";
  for (int i = 0; i < 600; ++i) gives_up += ".?";
  gives_up += "[z!]";
  tokenizer["decoder"] = {
      {"type", "Sequence"},
      {"decoders",
       {{{"type", "Replace"}, {"pattern", {{"Regex", gives_up}}}, {"content", ""}},
        tokenizer["decoder"]}}
  };
  directory.write("tokenizer.json", tokenizer.dump());
  EngineOptions options = tiny_model_options();
  options.model_directory = directory.path().string();
  const std::unique_ptr<Engine> engine = Engine::load(options);
  Request other = greedy(encode("Once upon a time"));
  other.max_tokens = 20;
  const std::vector<int32_t> expected = collect(engine_->submit(other)).token_ids;

  Submitted beside = engine->submit(other);
  const Event failed = collect(engine->submit(greedy(hello())));
  const Event failed_at_start = collect(engine->submit(greedy({ids[4], 7})));

  EXPECT_EQ(failed.finish_reason, FinishReason::kError);
  EXPECT_THAT(failed.error, HasSubstr("token " + std::to_string(ids[4])));
  EXPECT_EQ(failed_at_start.finish_reason, FinishReason::kError);
  EXPECT_TRUE(failed_at_start.token_ids.empty());
  EXPECT_EQ(collect(std::move(beside)).token_ids, expected);
  EXPECT_EQ(collect(engine->submit(other)).token_ids, expected);
}

TEST(Generation, GivesItsPagesBackWhenItEndsInTheMiddle) {
  const auto tokenizer = Tokenizer::from_file(kTinyModel + "/tokenizer.json");
  PagePool pool(6);
  Scheduler scheduler({4, 100});
  const auto channel = std::make_shared<EventChannel>();
  EngineMetrics metrics;
  const Generation::Clock::time_point now = Generation::Clock::now();
  const std::vector<float> logits(1024, 0.0f);
  auto first = std::make_unique<Generation>(
      greedy(std::vector<int32_t>(150, 7)), std::vector<int32_t>(), 600, pool, *tokenizer, channel,
      now, metrics
  );
  Generation second(
      greedy(std::vector<int32_t>(30, 7)), {}, 500, pool, *tokenizer,
      std::make_shared<EventChannel>(), now, metrics
  );
  scheduler.add(first->sequence());
  scheduler.add(second.sequence());

  // In the middle of the first one's prompt.
  const auto planned = scheduler.plan();
  scheduler.commit(planned);
  EXPECT_EQ(pool.num_free(), 4);
  pool.check_integrity();
  first->end(FinishReason::kCancelled);
  scheduler.remove(first->sequence());
  first.reset();

  EXPECT_EQ(pool.num_free(), 5);
  pool.check_integrity();
  // In the middle of the second one's answer.
  scheduler.commit(scheduler.plan());
  second.start();
  EXPECT_FALSE(second.advance(logits));
  scheduler.commit(scheduler.plan());
  scheduler.remove(second.sequence());
  EXPECT_EQ(pool.num_free(), 6);
  pool.check_integrity();
  const std::optional<Event> last = channel->pop();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->finish_reason, FinishReason::kCancelled);
  EXPECT_FALSE(channel->pop().has_value());
}

TEST(Generation, HandsOutHeldTextWhenItIsCancelled) {
  const auto tokenizer = Tokenizer::from_file(kTinyModel + "/tokenizer.json");
  PagePool pool(1);
  const auto channel = std::make_shared<EventChannel>();
  Request request = greedy({7});
  request.stop_strings = {"ab!"};
  EngineMetrics metrics;
  Generation generation(
      std::move(request), {}, 100, pool, *tokenizer, channel, Generation::Clock::now(), metrics
  );
  const auto give = [&](const char* token) {
    std::vector<float> logits(1024, 0.0f);
    logits[static_cast<size_t>(tokenizer->token_to_id(token).value())] = 1.0f;
    generation.start();
    EXPECT_FALSE(generation.advance(logits));
    return channel->pop()->text;
  };

  EXPECT_EQ(give("x"), "x");
  EXPECT_EQ(give("a"), "");
  EXPECT_EQ(give("b"), "");
  generation.end(FinishReason::kCancelled);

  EXPECT_EQ(channel->pop()->text, "ab");
}

}  // namespace
}  // namespace trellis
