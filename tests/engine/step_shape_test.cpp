#include "engine/step_shape.h"

#include <gtest/gtest.h>

#include <vector>

namespace trellis {
namespace {

const std::vector<int32_t> kTokens(300, 1);

StepEntry entry(int64_t first_position, size_t num_tokens, int num_logits) {
  return {nullptr, first_position, std::span(kTokens).first(num_tokens), num_logits};
}

int64_t bound_of_length(int64_t positions) {
  return shape_of({{entry(positions - 1, 1, 1)}}).kv_bound;
}

TEST(StepShape, CountsTokensSequencesLogitsAndStates) {
  Step step = {{entry(0, 5, 0), entry(7, 1, 1), entry(2, 4, 3)}};
  step.entries[0].num_states = 5;
  step.entries[2].num_states = 2;

  EXPECT_EQ(shape_of(step), (StepShape{10, 3, 4, 7, 256}));
}

TEST(StepShape, BoundsTheLongestSequenceByAPowerOfTwoOfAtLeastAPage) {
  EXPECT_EQ(bound_of_length(1), 256);
  EXPECT_EQ(bound_of_length(256), 256);
  EXPECT_EQ(bound_of_length(257), 512);
  EXPECT_EQ(bound_of_length(512), 512);
  EXPECT_EQ(bound_of_length(100'000), 131'072);
  EXPECT_EQ(shape_of({{entry(0, 1, 1), entry(250, 8, 1)}}).kv_bound, 512);
}

TEST(StepShape, ShortStepsAreWorthRecording) {
  EXPECT_TRUE(is_worth_recording({{entry(0, 1, 1)}}));
  EXPECT_TRUE(is_worth_recording({{entry(0, 8, 8), entry(0, 1, 1)}}));
  EXPECT_FALSE(is_worth_recording({{entry(0, 1, 1), entry(0, 9, 1)}}));
  EXPECT_TRUE(is_worth_recording({std::vector(256, entry(0, 1, 1))}));
  EXPECT_FALSE(is_worth_recording({std::vector(257, entry(0, 1, 1))}));
}

}  // namespace
}  // namespace trellis
