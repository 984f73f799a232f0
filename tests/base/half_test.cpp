// The 16-bit floats against tables made from their definition in double precision.
#include "base/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace trellis {
namespace {

constexpr uint16_t kHalfInfinity = 0x7C00;

/// The value of a finite, positive fp16 pattern by the definition of IEEE 754.
double value_of_half(uint16_t bits) {
  const int exponent = bits >> 10;
  const int mantissa = bits & 0x3FF;
  return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
}

double value_of_bfloat16(uint16_t bits) {
  const int exponent = bits >> 7;
  const int mantissa = bits & 0x7F;
  return exponent == 0 ? std::ldexp(mantissa, -133) : std::ldexp(128 + mantissa, exponent - 134);
}

float next(float value, float towards) {
  return std::nextafter(value, towards);
}

/// Both sides of every step of a rounding: patterns 0 to last are consecutive values; halfway goes
/// to the even pattern. A rounding is monotone, so that its steps tell all of it.
template <typename Value, typename Round>
int count_wrong_steps(uint16_t last, Value value_of, Round round) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  int wrong = 0;
  const auto expect = [&](float value, uint16_t bits) {
    wrong += round(value) != bits;
    wrong += round(-value) != (bits | 0x8000);
  };
  for (uint16_t lower = 0; lower < last; ++lower) {
    const auto upper = static_cast<uint16_t>(lower + 1);
    const auto halfway = static_cast<float>((value_of(lower) + value_of(upper)) / 2);
    expect(static_cast<float>(value_of(lower)), lower);
    expect(next(halfway, 0.0f), lower);
    expect(halfway, lower % 2 == 0 ? lower : upper);
    expect(next(halfway, kInfinity), upper);
    expect(next(static_cast<float>(value_of(upper)), 0.0f), upper);
  }
  return wrong;
}

TEST(Half, WidensEveryFinitePatternToItsValue) {
  int wrong = 0;
  for (uint16_t bits = 0; bits < kHalfInfinity; ++bits) {
    wrong += static_cast<double>(half_to_float(bits)) != value_of_half(bits);
    wrong += static_cast<double>(half_to_float(bits | 0x8000)) != -value_of_half(bits);
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
}

TEST(Half, WidensInfinitiesAndKeepsNanPayloads) {
  EXPECT_EQ(half_to_float(0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_to_float(0xFC00), -std::numeric_limits<float>::infinity());
  int wrong = 0;
  for (uint32_t bits = 0x7C01; bits <= 0x7FFF; ++bits) {
    const auto wide = std::bit_cast<uint32_t>(half_to_float(static_cast<uint16_t>(bits)));
    wrong += wide != (0x7F800000u | ((bits & 0x3FF) << 13));
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Half, RoundsToNearestEvenOnBothSidesOfEveryStep) {
  EXPECT_EQ(count_wrong_steps(0x7BFF, value_of_half, float_to_half), 0);
}

TEST(Half, RoundsEveryPatternBackToItself) {
  int wrong = 0;
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const bool is_nan = (bits & 0x7FFF) > kHalfInfinity;
    const uint16_t back = float_to_half(half_to_float(half));
    wrong += is_nan ? back != ((bits & 0x8000) | 0x7E00) : back != half;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Half, OverflowsToInfinityFromHalfwayBeyondTheLargest) {
  EXPECT_EQ(float_to_half(65504.0f), 0x7BFF);
  EXPECT_EQ(float_to_half(next(65520.0f, 0.0f)), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0f), kHalfInfinity);
  EXPECT_EQ(float_to_half(-65520.0f), 0xFC00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), kHalfInfinity);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::infinity()), kHalfInfinity);
}

TEST(Half, RoundsTinyNumbersToZeroWithTheirSign) {
  EXPECT_EQ(float_to_half(0.0f), 0);
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::min()), 0x8000);
}

TEST(BFloat16, WidensEveryFinitePatternToItsValue) {
  int wrong = 0;
  for (uint16_t bits = 0; bits < 0x7F80; ++bits) {
    wrong += static_cast<double>(bfloat16_to_float(bits)) != value_of_bfloat16(bits);
    wrong += static_cast<double>(bfloat16_to_float(bits | 0x8000)) != -value_of_bfloat16(bits);
  }
  EXPECT_EQ(wrong, 0);
}

TEST(BFloat16, RoundsToNearestEvenOnBothSidesOfEveryStep) {
  EXPECT_EQ(count_wrong_steps(0x7F7F, value_of_bfloat16, float_to_bfloat16), 0);
}

TEST(BFloat16, OverflowsToInfinityAndKeepsNanQuiet) {
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(float_to_bfloat16(-std::numeric_limits<float>::max()), 0xFF80);
  // The payload's low bits alone must not turn a NaN into an infinity.
  const uint16_t nan = float_to_bfloat16(std::bit_cast<float>(0x7F800001u));
  EXPECT_TRUE(std::isnan(bfloat16_to_float(nan)));
}

}  // namespace
}  // namespace trellis
