// Floating-point intrinsics. The fast ones are computed exactly: what depends on their error on a
// device is not seen here.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

constexpr unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
constexpr int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
constexpr float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
constexpr float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
constexpr long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
constexpr double __longlong_as_double(long long x) {
  return std::bit_cast<double>(x);
}

inline float rsqrtf(float x) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __exp10f(float x) {
  return std::pow(10.0f, x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float __log2f(float x) {
  return std::log2(x);
}
inline float __sinf(float x) {
  return std::sin(x);
}
inline float __cosf(float x) {
  return std::cos(x);
}
inline void __sincosf(float x, float* sine, float* cosine) {
  *sine = std::sin(x);
  *cosine = std::cos(x);
}
inline float __tanf(float x) {
  return std::tan(x);
}
inline float __powf(float x, float y) {
  return std::pow(x, y);
}
/// Clamps to [0, 1]; NaN becomes 0.
inline float __saturatef(float x) {
  return std::fmin(std::fmax(x, 0.0f), 1.0f);
}

inline float __fadd_rn(float x, float y) {
  return x + y;
}
inline float __fsub_rn(float x, float y) {
  return x - y;
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fmaf_rn(float x, float y, float z) {
  return std::fma(x, y, z);
}
inline float __fdiv_rn(float x, float y) {
  return x / y;
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __frsqrt_rn(float x) {
  return rsqrtf(x);
}

namespace simt {

/// Converts as the device does: what is out of range becomes the nearest value, NaN 0.
template <typename Integer>
Integer saturate(double x) {
  if (std::isnan(x)) return 0;
  constexpr auto kLowest = std::numeric_limits<Integer>::min();
  constexpr auto kHighest = std::numeric_limits<Integer>::max();
  if (x <= static_cast<double>(kLowest)) return kLowest;
  if (x >= static_cast<double>(kHighest)) return kHighest;
  return static_cast<Integer>(x);
}

}  // namespace simt

inline int __float2int_rn(float x) {
  return simt::saturate<int>(std::nearbyint(x));
}
inline int __float2int_rz(float x) {
  return simt::saturate<int>(std::trunc(x));
}
inline int __float2int_rd(float x) {
  return simt::saturate<int>(std::floor(x));
}
inline int __float2int_ru(float x) {
  return simt::saturate<int>(std::ceil(x));
}
inline unsigned __float2uint_rn(float x) {
  return simt::saturate<unsigned>(std::nearbyint(x));
}
inline unsigned __float2uint_rz(float x) {
  return simt::saturate<unsigned>(std::trunc(x));
}
inline long long __float2ll_rn(float x) {
  return simt::saturate<long long>(std::nearbyint(x));
}
inline float __int2float_rn(int x) {
  return static_cast<float>(x);
}
inline float __uint2float_rn(unsigned x) {
  return static_cast<float>(x);
}
inline float __double2float_rn(double x) {
  return static_cast<float>(x);
}
