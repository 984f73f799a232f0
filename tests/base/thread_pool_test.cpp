#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace trellis {
namespace {

/// Pools of 1, 2 and 5 threads: alone, as many as small machines have, and more than most.
class ThreadPoolOf : public ::testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
  size_t size_ = static_cast<size_t>(GetParam());
};

TEST_P(ThreadPoolOf, RunsTheTaskOnceOnEveryWorker) {
  std::vector<int> calls(size_);

  for (int repetition = 0; repetition < 500; ++repetition) {
    pool_.run([&](int worker) { ++calls[static_cast<size_t>(worker)]; });
  }

  EXPECT_EQ(calls, std::vector<int>(size_, 500));
}

TEST_P(ThreadPoolOf, CoversARangeExactlyOnce) {
  std::vector<std::atomic<int>> covered(1003);

  pool_.for_each(1003, 10, [&](int64_t begin, int64_t end, int worker) {
    EXPECT_TRUE(worker >= 0 && worker < pool_.num_threads());
    for (int64_t i = begin; i < end; ++i) covered[static_cast<size_t>(i)].fetch_add(1);
  });

  int wrong = 0;
  for (const auto& count : covered) wrong += count.load() != 1;
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, LetsAFreeWorkerTakeWhatABusyOneHasLeft) {
  ThreadPool pool(2);
  std::atomic<int> done{0};

  // The first piece ends after all others: the second half of its worker's range must go elsewhere.
  pool.for_each(16, 1, [&](int64_t begin, int64_t, int) {
    while (begin == 0 && done.load() < 15) std::this_thread::yield();
    done.fetch_add(1);
  });

  EXPECT_EQ(done.load(), 16);
}

TEST_P(ThreadPoolOf, GivesAnExceptionToTheCallerAndGoesOn) {
  const int last = GetParam() - 1;
  const auto fail = [&](int worker) {
    if (worker == last) throw std::runtime_error("from the last worker");
  };

  EXPECT_THROW(pool_.run(fail), std::runtime_error);

  std::atomic<int> calls = 0;
  pool_.run([&](int) { calls.fetch_add(1); });
  EXPECT_EQ(calls.load(), GetParam());
}

TEST_P(ThreadPoolOf, RethrowsTheLowestWorkersException) {
  const auto fail = [](int worker) { throw std::runtime_error(std::to_string(worker)); };

  std::string message;
  try {
    pool_.run(fail);
  } catch (const std::runtime_error& error) {
    message = error.what();
  }

  EXPECT_EQ(message, "0");
}

TEST_P(ThreadPoolOf, WakesWorkersThatWentToSleep) {
  // Long enough without work for every worker to park: the caller's own long task keeps the others
  // idle.
  for (int repetition = 0; repetition < 3; ++repetition) {
    std::atomic<int> calls = 0;
    pool_.run([&](int worker) {
      calls.fetch_add(1);
      volatile uint64_t work = 0;
      for (int i = 0; worker == 0 && i < 3000000; ++i) work = work + 1;
    });
    EXPECT_EQ(calls.load(), GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Threads, ThreadPoolOf, ::testing::Values(1, 2, 5), ::testing::PrintToStringParamName()
);

TEST(ThreadPool, DoesNothingForAnEmptyRange) {
  ThreadPool pool(2);
  int calls = 0;

  pool.for_each(0, 4, [&](int64_t, int64_t, int) { ++calls; });
  pool.for_each(-1, 4, [&](int64_t, int64_t, int) { ++calls; });

  EXPECT_EQ(calls, 0);
}

TEST(ThreadPool, TakesAsManyThreadsAsThereAreCpusByDefault) {
  const ThreadPool pool(0);

  EXPECT_EQ(pool.num_threads(), ThreadPool::available_cpus());
  EXPECT_GE(pool.num_threads(), 1);
}

}  // namespace
}  // namespace trellis
