// Exponential and logarithm in plain fp32 arithmetic: the same bits on the host and on a device,
// which those of their libraries do not have. Host code is compiled without contraction.
#pragma once

#include "base/host_device.h"

#include <bit>
#include <cstdint>

namespace trellis {

/// a * b, rounded: a device would otherwise fuse it with what is added to it.
TRELLIS_HD constexpr float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

/// e^x for x <= 0, within 3e-7 of its size near 0 and 2e-6 at -28; from -88 on it stays at 2^-126.
/// As 2^(n + f) with |f| <= 1/2: n goes into the exponent, 2^f is its Taylor polynomial, whose
/// first term left out is 1.3e-7.
TRELLIS_HD constexpr float exp_not_positive(float x) {
  constexpr float kLog2E = 1.442695041f;
  constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: no fraction is left beside it
  const float product = rounded_product(x, kLog2E);
  const float t = product > -126.0f ? product : -126.0f;
  const float n = (t + kRounds) - kRounds;
  const float f = t - n;
  float power = 1.540353e-4f;
  power = rounded_product(power, f) + 1.3333558e-3f;
  power = rounded_product(power, f) + 9.6181291e-3f;
  power = rounded_product(power, f) + 5.5504109e-2f;
  power = rounded_product(power, f) + 0.24022651f;
  power = rounded_product(power, f) + 0.69314718f;
  power = rounded_product(power, f) + 1.0f;
  return rounded_product(power, std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23));
}

/// log(1 + x) for sqrt(1/2) - 1 <= x <= sqrt(2) - 1, within 2e-7 of its size. Source: Moshier's
/// Cephes library, logf.
TRELLIS_HD constexpr float log1p_near_zero(float x) {
  const float square = rounded_product(x, x);
  float tail = 7.0376836292e-2f;
  tail = rounded_product(tail, x) - 1.1514610310e-1f;
  tail = rounded_product(tail, x) + 1.1676998740e-1f;
  tail = rounded_product(tail, x) - 1.2420140846e-1f;
  tail = rounded_product(tail, x) + 1.4249322787e-1f;
  tail = rounded_product(tail, x) - 1.6668057665e-1f;
  tail = rounded_product(tail, x) + 2.0000714765e-1f;
  tail = rounded_product(tail, x) - 2.4999993993e-1f;
  tail = rounded_product(tail, x) + 3.3333331174e-1f;
  tail = rounded_product(rounded_product(tail, x), square) - rounded_product(0.5f, square);
  return x + tail;
}

/// log(x) for a normal x above 0, within 2e-7 of its size or of 1. As n log(2) + log(m) with m
/// between sqrt(1/2) and sqrt(2).
TRELLIS_HD constexpr float log_positive(float x) {
  constexpr uint32_t kSqrtHalf = 0x3F3504F3;
  constexpr float kLog2High = 0.693359375f;  // few bits: its products with n are exact
  constexpr float kLog2Low = -2.12194440e-4f;
  const auto bits = std::bit_cast<uint32_t>(x);
  const int32_t n = static_cast<int32_t>(bits - kSqrtHalf) >> 23;
  const float m = std::bit_cast<float>(bits - (static_cast<uint32_t>(n) << 23));
  const auto exponent = static_cast<float>(n);
  const float low = log1p_near_zero(m - 1.0f) + rounded_product(exponent, kLog2Low);
  return low + rounded_product(exponent, kLog2High);
}

}  // namespace trellis
