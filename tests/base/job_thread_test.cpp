#include "base/job_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <latch>
#include <vector>

namespace trellis {
namespace {

TEST(JobThread, DoesAllThatWasPostedInOrderBeforeItEnds) {
  std::vector<int> done;
  {
    JobThread thread(10);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(thread.try_post([&done, i] { done.push_back(i); }));
  }
  EXPECT_THAT(done, testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(JobThread, RefusesWhatIsTooMuch) {
  std::latch started(1);
  std::latch released(1);
  JobThread thread(1);
  EXPECT_TRUE(thread.try_post([&] {
    started.count_down();
    released.wait();
  }));
  started.wait();
  EXPECT_TRUE(thread.try_post([] {}));
  EXPECT_FALSE(thread.try_post([] {}));
  released.count_down();
}

TEST(JobThread, TakesNoSignals) {
  int is_blocked = 0;
  {
    JobThread thread(1);
    thread.try_post([&] {
      sigset_t mask;
      pthread_sigmask(SIG_BLOCK, nullptr, &mask);
      is_blocked = sigismember(&mask, SIGXFSZ) + 2 * sigismember(&mask, SIGTERM);
    });
  }
  EXPECT_EQ(is_blocked, 3);
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

}  // namespace
}  // namespace trellis
