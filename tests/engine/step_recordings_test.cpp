#include "engine/step_recordings.h"

#include "backend/reference/reference_backend.h"
#include "engine/counting_backend.h"

#include <gtest/gtest.h>

namespace trellis::test {
namespace {

constexpr auto kMost = static_cast<int64_t>(StepRecordings::kMost);

StepShape shape_of_tokens(int64_t num_tokens) {
  return {num_tokens, 1, 1, 256};
}

class StepRecordingsTest : public testing::Test {
 protected:
  void run(int64_t num_tokens) {
    recordings_.run(shape_of_tokens(num_tokens), [this] { ++num_calls_; });
  }

  CountingBackend backend_{make_reference_backend({})};
  StepRecordings recordings_{backend_};
  int num_calls_ = 0;
};

TEST_F(StepRecordingsTest, RecordsTheSecondRunAndReplaysTheThird) {
  run(1);
  EXPECT_EQ(backend_.num_recorded(), 0);

  run(1);
  run(1);

  EXPECT_EQ(backend_.num_recorded(), 1);
  EXPECT_EQ(backend_.num_replayed(), 2);
  EXPECT_EQ(num_calls_, 3);
}

TEST_F(StepRecordingsTest, KeepsShapesApart) {
  for (int i = 0; i < 2; ++i) recordings_.run({2, 1, 1, 256}, [] {});
  for (int i = 0; i < 2; ++i) recordings_.run({2, 2, 1, 256}, [] {});
  for (int i = 0; i < 2; ++i) recordings_.run({2, 1, 2, 256}, [] {});
  for (int i = 0; i < 2; ++i) recordings_.run({2, 1, 1, 512}, [] {});

  EXPECT_EQ(backend_.num_recorded(), 4);
}

TEST_F(StepRecordingsTest, ForgetsTheOneThatWasNotUsedForLongest) {
  for (int64_t tokens = 1; tokens <= kMost; ++tokens) {
    for (int i = 0; i < 2; ++i) run(tokens);
  }
  run(1);  // used just now, so that 2 is the oldest
  run(kMost + 1);
  const int recorded = backend_.num_recorded();

  run(1);
  run(3);
  EXPECT_EQ(backend_.num_recorded(), recorded);
  for (int i = 0; i < 2; ++i) run(2);
  EXPECT_EQ(backend_.num_recorded(), recorded + 1);
}

TEST_F(StepRecordingsTest, BeginsAnewAfterClear) {
  for (int i = 0; i < 2; ++i) run(1);

  recordings_.clear();
  run(1);
  EXPECT_EQ(backend_.num_recorded(), 1);
  run(1);
  EXPECT_EQ(backend_.num_recorded(), 2);
}

}  // namespace
}  // namespace trellis::test
