#include "nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trellis {
namespace {

TEST(RopeFrequencies, DefaultFallsGeometricallyFromOneToThetaInverse) {
  RopeConfig rope;
  rope.theta = 10000.0;

  const RopeFrequencies result = rope_frequencies(rope, 8, 2048);

  ASSERT_EQ(result.inverse_frequency.size(), 4u);
  EXPECT_FLOAT_EQ(result.inverse_frequency[0], 1.0f);
  EXPECT_FLOAT_EQ(result.inverse_frequency[1], 0.1f);
  EXPECT_FLOAT_EQ(result.inverse_frequency[2], 0.01f);
  EXPECT_FLOAT_EQ(result.inverse_frequency[3], 0.001f);
  EXPECT_EQ(result.attention_factor, 1.0f);
}

TEST(RopeFrequencies, LinearDividesEveryFrequencyByTheFactor) {
  RopeConfig rope;
  rope.type = RopeConfig::Type::kLinear;
  rope.theta = 10000.0;
  rope.factor = 4.0;

  const RopeFrequencies result = rope_frequencies(rope, 8, 2048);

  EXPECT_FLOAT_EQ(result.inverse_frequency[0], 0.25f);
  EXPECT_FLOAT_EQ(result.inverse_frequency[3], 0.00025f);
}

TEST(RopeFrequencies, Llama3KeepsShortWavesDividesLongOnesAndBlendsBetween) {
  RopeConfig rope;
  rope.type = RopeConfig::Type::kLlama3;
  rope.theta = 500000.0;
  rope.factor = 32.0;
  rope.low_frequency_factor = 1.0;
  rope.high_frequency_factor = 4.0;
  rope.original_max_position_embeddings = 8192;

  const RopeFrequencies result = rope_frequencies(rope, 64, 131072);

  EXPECT_FLOAT_EQ(result.inverse_frequency[0], 1.0f);
  const double longest = std::pow(500000.0, -62.0 / 64.0);
  EXPECT_FLOAT_EQ(result.inverse_frequency[31], static_cast<float>(longest / 32.0));
  const double middle = std::pow(500000.0, -32.0 / 64.0);  // turns 1.84 times in 8192 positions
  const double smooth = (8192.0 * middle / (2.0 * M_PI) - 1.0) / 3.0;
  EXPECT_NEAR(result.inverse_frequency[16], (1.0 - smooth) * middle / 32.0 + smooth * middle, 1e-9);
}

TEST(RopeFrequencies, YarnKeepsTheFastestDividesTheSlowestAndScalesAttention) {
  RopeConfig rope;
  rope.type = RopeConfig::Type::kYarn;
  rope.theta = 10000.0;
  rope.factor = 4.0;
  rope.original_max_position_embeddings = 4096;

  const RopeFrequencies result = rope_frequencies(rope, 128, 16384);

  EXPECT_FLOAT_EQ(result.inverse_frequency[0], 1.0f);
  const double slowest = std::pow(10000.0, -126.0 / 128.0);
  EXPECT_FLOAT_EQ(result.inverse_frequency[63], static_cast<float>(slowest / 4.0));
  EXPECT_NEAR(result.attention_factor, 0.1 * std::log(4.0) + 1.0, 1e-6);
}

}  // namespace
}  // namespace trellis
