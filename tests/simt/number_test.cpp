#include "base/half.h"
#include "simt/half_bits.h"
#include "simt/ptx.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace trellis::simt_test {
namespace {

TEST(SimtNumbers, HalvesWidenAsTheyDoElsewhere) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float expected = half_to_float(half);
    const float got = simt::widen_half(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(__float_as_uint(got), __float_as_uint(expected)) << bits;
    }
  }
}

/// Sums of an fp16 product and an fp16 are exact in long double's 64 bits; rounding is searched for
/// among neighbours.
TEST(SimtNumbers, FusedMultiplyAddRoundsOnce) {
  std::mt19937 random(17);
  for (int i = 0; i < 100000; ++i) {
    const auto half = [&] { return __ushort_as_half(static_cast<unsigned short>(random())); };
    const __half x = half();
    const __half y = half();
    const __half z = half();
    const long double exact =
        static_cast<long double>(static_cast<float>(x)) * static_cast<float>(y) +
        static_cast<float>(z);
    const auto got = static_cast<float>(__hfma(x, y, z));
    if (!std::isfinite(exact) || !std::isfinite(got)) continue;
    const long double error = std::fabs(got - exact);
    const uint16_t bits = __half_as_ushort(__hfma(x, y, z));
    for (const int step : {-1, 1}) {
      const float neighbour = half_to_float(static_cast<uint16_t>(bits + step));
      if (!std::isfinite(neighbour)) continue;
      const long double other = std::fabs(neighbour - exact);
      ASSERT_TRUE(error < other || (error == other && bits % 2 == 0)) << i;
    }
  }
}

TEST(SimtNumbers, BfloatArithmeticRoundsToNearestEven) {
  const __nv_bfloat16 one = 1.0f;
  const __nv_bfloat16 half_step = 0x1p-8f;  // the tie between 1 and the next number
  EXPECT_EQ(static_cast<float>(one + half_step), 1.0f);
  EXPECT_EQ(static_cast<float>(__hadd(one, __nv_bfloat16(0x1.8p-8f))), 1.0078125f);
  EXPECT_EQ(static_cast<float>(__hfma(one, one, half_step)), 1.0f);
}

TEST(SimtNumbers, IntegerIntrinsicsMatchTheirDefinitions) {
  EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x7250u), 0x77225500u);
  EXPECT_EQ(__byte_perm(0x00008000u, 0, 0x9999u), 0xFFFFFFFFu);
  EXPECT_EQ(__funnelshift_l(0x80000001u, 0x00000002u, 1), 0x00000005u);
  EXPECT_EQ(__funnelshift_r(0x80000001u, 0x00000003u, 33), 0xC0000000u);
  EXPECT_EQ(__brev(0x00000003u), 0xC0000000u);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__dp4a(static_cast<int>(0x80FF7F01u), 0x02020202, 10), 10 + 2 * (-128 - 1 + 127 + 1));
  EXPECT_EQ(__dp4a(0x80FF7F01u, 0x02020202u, 10u), 10u + 2 * (128 + 255 + 127 + 1));
  EXPECT_EQ(__umulhi(0xFFFFFFFFu, 0xFFFFFFFFu), 0xFFFFFFFEu);
  EXPECT_EQ((cuda::lop3<0x96>(0xF0F0F0F0u, 0xCCCCCCCCu, 0xAAAAAAAAu)), 0x96969696u);
  EXPECT_EQ((cuda::lop3<0xEA>(0xF0F0F0F0u, 0xCCCCCCCCu, 0xAAAAAAAAu)), 0xEAEAEAEAu);
  EXPECT_EQ(cuda::dp4a_u32_s32(0x80FF7F01u, 0xFF02FE01u, 10), 10 - 128 + 510 - 254 + 1);
  EXPECT_EQ(cuda::dp2a_lo_u32(0x00050003u, 0x11110207u, 100u), 100u + 3 * 7 + 5 * 2);
}

TEST(SimtNumbers, PowersOfTwoAreExactAtTheEndsAndFlushedBetween) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(cuda::exp2_approximate(0.0f), 1.0f);
  EXPECT_EQ(cuda::exp2_approximate(-kInfinity), 0.0f);
  EXPECT_EQ(cuda::exp2_approximate(kInfinity), kInfinity);
  EXPECT_EQ(cuda::exp2_approximate(-126.0f), 0x1p-126f);
  EXPECT_EQ(cuda::exp2_approximate(-127.0f), 0.0f);
  EXPECT_TRUE(std::isnan(cuda::exp2_approximate(std::nanf(""))));
}

TEST(SimtNumbers, FloatsBecomeIntegersByRoundingAndSaturating) {
  EXPECT_EQ(__float2int_rn(2.5f), 2);
  EXPECT_EQ(__float2int_rn(3.5f), 4);
  EXPECT_EQ(__float2int_rz(-2.9f), -2);
  EXPECT_EQ(__float2int_rn(1e20f), 0x7FFFFFFF);
  EXPECT_EQ(__float2uint_rn(-1.0f), 0u);
  EXPECT_EQ(__float2int_rn(std::nanf("")), 0);
}

}  // namespace
}  // namespace trellis::simt_test
