#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace trellis {
namespace {

TEST(BoundedQueue, GivesItemsInTheOrderTheyCame) {
  BoundedQueue<int> queue(3);

  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_TRUE(queue.push(3));

  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.try_pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, LeavesTheItemAloneWhenFull) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);

  EXPECT_TRUE(queue.try_push(first));
  EXPECT_FALSE(queue.try_push(second));

  EXPECT_EQ(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
}

TEST(BoundedQueue, DrainsAfterClosingAndTakesNothingMore) {
  BoundedQueue<int> queue(2);
  queue.push(1);

  queue.close();

  int item = 2;
  EXPECT_FALSE(queue.push(2));
  EXPECT_FALSE(queue.try_push(item));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, WakesAReaderWhenClosed) {
  BoundedQueue<int> queue(1);
  std::optional<int> result = 5;
  std::thread reader([&] { result = queue.pop(); });

  queue.close();
  reader.join();

  EXPECT_EQ(result, std::nullopt);
}

TEST(BoundedQueue, WakesAWriterWhenClosed) {
  BoundedQueue<int> queue(1);
  queue.push(1);
  bool accepted = true;
  std::thread writer([&] { accepted = queue.push(2); });

  queue.close();
  writer.join();

  EXPECT_FALSE(accepted);
}

TEST(BoundedQueue, LosesAndDoublesNothingBetweenManyThreads) {
  constexpr int kWriters = 3;
  constexpr int kReaders = 3;
  constexpr int kItems = 2000;
  BoundedQueue<int> queue(4);
  std::vector<std::atomic<int>> seen(kWriters * kItems);

  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      while (const auto item = queue.pop()) seen[static_cast<size_t>(*item)].fetch_add(1);
    });
  }
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      for (int j = 0; j < kItems; ++j) queue.push(i * kItems + j);
    });
  }
  for (std::thread& writer : writers) writer.join();
  queue.close();
  for (std::thread& reader : readers) reader.join();

  int wrong = 0;
  for (const auto& count : seen) wrong += count.load() != 1;
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace trellis
