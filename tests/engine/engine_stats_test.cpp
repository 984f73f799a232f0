#include "engine/engine_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <semaphore>
#include <thread>

namespace trellis {
namespace {

using testing::ElementsAre;

int64_t count(const Histogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), int64_t{0});
}

/// Waits until nothing runs: what ends is announced before its pages are given back.
EngineStats idle_stats(const Engine& engine) {
  EngineStats stats = engine.stats();
  for (int i = 0; i < 1000 && (stats.num_running + stats.num_waiting) > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stats = engine.stats();
  }
  return stats;
}

TEST(Histogram, CountsAValueOnABoundBelowIt) {
  Histogram histogram({1.0, 2.0});
  for (const double value : {0.5, 1.0, 1.5, 2.0, 2.5, 100.0}) histogram.add(value);

  EXPECT_THAT(histogram.counts, ElementsAre(2, 2, 2));
  EXPECT_DOUBLE_EQ(histogram.sum, 107.5);
}

TEST(EngineStats, CountsTokensAndRequests) {
  const auto engine = Engine::load(tiny_model_options());
  Request request = greedy(std::vector<int32_t>(300, 7));
  request.max_tokens = 5;
  request.ignore_eos = true;

  collect(engine->submit(request));
  EngineStats stats = idle_stats(*engine);
  EXPECT_EQ(stats.prompt_tokens, 300);
  EXPECT_EQ(stats.cached_tokens, 0);
  EXPECT_EQ(stats.generated_tokens, 5);
  EXPECT_EQ(stats.num_finished[static_cast<size_t>(FinishReason::kLength)], 1);
  EXPECT_EQ(count(stats.first_token_s), 1);
  EXPECT_EQ(count(stats.inter_token_s), 4);
  EXPECT_EQ(count(stats.request_s), 1);
  EXPECT_EQ(count(stats.queue_s), 1);
  EXPECT_GE(stats.request_s.sum, stats.first_token_s.sum + stats.inter_token_s.sum);
  EXPECT_GE(count(stats.step_s), 5);
  EXPECT_FALSE(stats.failed);

  const Event again = collect(engine->submit(request));
  stats = idle_stats(*engine);
  EXPECT_GE(again.usage.cached_tokens, 256);
  EXPECT_EQ(stats.cached_tokens, again.usage.cached_tokens);
  EXPECT_EQ(stats.prompt_tokens, 600);
}

TEST(EngineStats, ShowsThePagesOfWhatRuns) {
  const auto engine = Engine::load(tiny_model_options());
  Request request = greedy(std::vector<int32_t>(300, 7));
  request.ignore_eos = true;

  Submitted stream = engine->submit(request);
  ASSERT_TRUE(stream.ok());
  stream.value()->next();
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.num_running, 1);
  EXPECT_GE(stats.num_used_pages, 2);
  EXPECT_LE(stats.num_used_pages, stats.num_pages);

  stream.value().reset();
  const EngineStats after = idle_stats(*engine);
  EXPECT_EQ(after.num_used_pages, 0);
  EXPECT_EQ(after.num_finished[static_cast<size_t>(FinishReason::kCancelled)], 1);
}

TEST_F(EngineTest, AStreamCanBeReadWithoutWaiting) {
  Request request = greedy(hello());
  request.max_tokens = 20;
  const Event expected = collect(engine_->submit(request));

  Submitted stream = engine_->submit(request);
  ASSERT_TRUE(stream.ok());
  const auto announced = std::make_shared<std::counting_semaphore<>>(0);
  stream.value()->on_ready([announced] { announced->release(); });
  std::string text;
  for (bool finished = false; !finished;) {
    announced->acquire();
    while (auto event = stream.value()->try_next()) {
      text += event->text;
      finished = event->finished;
    }
  }

  EXPECT_EQ(text, expected.text);
}

}  // namespace
}  // namespace trellis
