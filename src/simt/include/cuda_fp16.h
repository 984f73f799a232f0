// The emulation's stand-in for the header of the CUDA toolkit: halves and their arithmetic.
// Each operation is computed in fp32 and rounded once, ties to even: with so few bits of mantissa
// that equals rounding the exact result.
#pragma once

#include "base/half.h"
#include "simt/float_math.h"
#include "simt/qualifiers.h"
#include "simt/round_to_odd.h"
#include "simt/vector_types.h"

#include <cmath>
#include <cstdint>

struct __half_raw {
  unsigned short x;
};

struct __half {
  __half() = default;
  __half(float value) : bits_(trellis::float_to_half(value)) {}
  __half(double value) : __half(simt::round_to_odd(value)) {}
  __half(int value) : __half(static_cast<double>(value)) {}
  __half(unsigned value) : __half(static_cast<double>(value)) {}
  __half(__half_raw raw) : bits_(raw.x) {}

  operator float() const { return trellis::half_to_float(bits_); }
  operator __half_raw() const { return {bits_}; }

 private:
  unsigned short bits_;
};

struct alignas(4) __half2 {
  __half x, y;

  __half2() = default;
  __half2(__half x, __half y) : x(x), y(y) {}
};

using half = __half;
using half2 = __half2;

inline __half __ushort_as_half(unsigned short x) {
  return __half_raw{x};
}
inline unsigned short __half_as_ushort(__half x) {
  return static_cast<__half_raw>(x).x;
}
inline __half __short_as_half(short x) {
  return __half_raw{static_cast<unsigned short>(x)};
}
inline short __half_as_short(__half x) {
  return static_cast<short>(static_cast<__half_raw>(x).x);
}

inline float __half2float(__half x) {
  return x;
}
inline __half __float2half(float x) {
  return x;
}
inline __half __float2half_rn(float x) {
  return x;
}
inline __half __double2half(double x) {
  return x;
}
inline __half __int2half_rn(int x) {
  return x;
}
inline __half __uint2half_rn(unsigned x) {
  return x;
}
inline int __half2int_rn(__half x) {
  return simt::saturate<int>(std::nearbyint(static_cast<float>(x)));
}
inline int __half2int_rz(__half x) {
  return simt::saturate<int>(std::trunc(static_cast<float>(x)));
}

inline __half2 __halves2half2(__half x, __half y) {
  return {x, y};
}
inline __half2 __half2half2(__half x) {
  return {x, x};
}
inline float2 __half22float2(__half2 x) {
  return {x.x, x.y};
}
inline __half2 __float22half2_rn(float2 x) {
  return {x.x, x.y};
}
inline __half2 make_half2(__half x, __half y) {
  return {x, y};
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {x, y};
}
inline __half2 __float2half2_rn(float x) {
  return {x, x};
}
inline __half __low2half(__half2 x) {
  return x.x;
}
inline __half __high2half(__half2 x) {
  return x.y;
}
inline float __low2float(__half2 x) {
  return x.x;
}
inline float __high2float(__half2 x) {
  return x.y;
}
inline __half2 __low2half2(__half2 x) {
  return {x.x, x.x};
}
inline __half2 __high2half2(__half2 x) {
  return {x.y, x.y};
}
inline __half2 __lows2half2(__half2 x, __half2 y) {
  return {x.x, y.x};
}
inline __half2 __highs2half2(__half2 x, __half2 y) {
  return {x.y, y.y};
}
inline __half2 __lowhigh2highlow(__half2 x) {
  return {x.y, x.x};
}

inline __half __hadd(__half x, __half y) {
  return static_cast<float>(x) + static_cast<float>(y);
}
inline __half __hsub(__half x, __half y) {
  return static_cast<float>(x) - static_cast<float>(y);
}
inline __half __hmul(__half x, __half y) {
  return static_cast<float>(x) * static_cast<float>(y);
}
inline __half __hdiv(__half x, __half y) {
  return static_cast<float>(x) / static_cast<float>(y);
}
/// Summed in fp64, where the product is exact.
inline __half __hfma(__half x, __half y, __half z) {
  return static_cast<double>(static_cast<float>(x)) * static_cast<float>(y) + static_cast<float>(z);
}
inline __half __hneg(__half x) {
  return __half_raw{static_cast<unsigned short>(static_cast<__half_raw>(x).x ^ 0x8000u)};
}
inline __half __habs(__half x) {
  return __half_raw{static_cast<unsigned short>(static_cast<__half_raw>(x).x & 0x7FFFu)};
}
inline bool __hisnan(__half x) {
  return std::isnan(static_cast<float>(x));
}
inline __half __hmax(__half x, __half y) {
  return std::fmax(static_cast<float>(x), static_cast<float>(y));
}
inline __half __hmin(__half x, __half y) {
  return std::fmin(static_cast<float>(x), static_cast<float>(y));
}
inline bool __heq(__half x, __half y) {
  return static_cast<float>(x) == static_cast<float>(y);
}
inline bool __hne(__half x, __half y) {
  return static_cast<float>(x) != static_cast<float>(y);
}
inline bool __hlt(__half x, __half y) {
  return static_cast<float>(x) < static_cast<float>(y);
}
inline bool __hle(__half x, __half y) {
  return static_cast<float>(x) <= static_cast<float>(y);
}
inline bool __hgt(__half x, __half y) {
  return static_cast<float>(x) > static_cast<float>(y);
}
inline bool __hge(__half x, __half y) {
  return static_cast<float>(x) >= static_cast<float>(y);
}

inline __half2 __hadd2(__half2 x, __half2 y) {
  return {__hadd(x.x, y.x), __hadd(x.y, y.y)};
}
inline __half2 __hsub2(__half2 x, __half2 y) {
  return {__hsub(x.x, y.x), __hsub(x.y, y.y)};
}
inline __half2 __hmul2(__half2 x, __half2 y) {
  return {__hmul(x.x, y.x), __hmul(x.y, y.y)};
}
inline __half2 __hmax2(__half2 x, __half2 y) {
  return {__hmax(x.x, y.x), __hmax(x.y, y.y)};
}
inline __half2 __hmin2(__half2 x, __half2 y) {
  return {__hmin(x.x, y.x), __hmin(x.y, y.y)};
}
inline __half2 __h2div(__half2 x, __half2 y) {
  return {__hdiv(x.x, y.x), __hdiv(x.y, y.y)};
}
inline __half2 __hfma2(__half2 x, __half2 y, __half2 z) {
  return {__hfma(x.x, y.x, z.x), __hfma(x.y, y.y, z.y)};
}
inline __half2 __hneg2(__half2 x) {
  return {__hneg(x.x), __hneg(x.y)};
}
inline __half2 __habs2(__half2 x) {
  return {__habs(x.x), __habs(x.y)};
}

inline __half operator+(__half x, __half y) {
  return __hadd(x, y);
}
inline __half operator-(__half x, __half y) {
  return __hsub(x, y);
}
inline __half operator*(__half x, __half y) {
  return __hmul(x, y);
}
inline __half operator/(__half x, __half y) {
  return __hdiv(x, y);
}
inline __half operator-(__half x) {
  return __hneg(x);
}
inline __half& operator+=(__half& x, __half y) {
  return x = x + y;
}
inline __half& operator-=(__half& x, __half y) {
  return x = x - y;
}
inline __half& operator*=(__half& x, __half y) {
  return x = x * y;
}
inline __half& operator/=(__half& x, __half y) {
  return x = x / y;
}
inline bool operator==(__half x, __half y) {
  return static_cast<float>(x) == static_cast<float>(y);
}
inline bool operator!=(__half x, __half y) {
  return static_cast<float>(x) != static_cast<float>(y);
}
inline bool operator<(__half x, __half y) {
  return static_cast<float>(x) < static_cast<float>(y);
}
inline bool operator<=(__half x, __half y) {
  return static_cast<float>(x) <= static_cast<float>(y);
}
inline bool operator>(__half x, __half y) {
  return static_cast<float>(x) > static_cast<float>(y);
}
inline bool operator>=(__half x, __half y) {
  return static_cast<float>(x) >= static_cast<float>(y);
}
inline __half2 operator+(__half2 x, __half2 y) {
  return __hadd2(x, y);
}
inline __half2 operator-(__half2 x, __half2 y) {
  return __hsub2(x, y);
}
inline __half2 operator*(__half2 x, __half2 y) {
  return __hmul2(x, y);
}
inline __half2 operator/(__half2 x, __half2 y) {
  return __h2div(x, y);
}
