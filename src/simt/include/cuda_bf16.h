// The emulation's stand-in for the header of the CUDA toolkit: bfloat16 numbers and their
// arithmetic. Each operation is computed in fp32 and rounded once, ties to even: with so few bits
// of mantissa that equals rounding the exact result.
#pragma once

#include "base/half.h"
#include "simt/float_math.h"
#include "simt/qualifiers.h"
#include "simt/round_to_odd.h"
#include "simt/vector_types.h"

#include <cmath>
#include <cstdint>

struct __nv_bfloat16_raw {
  unsigned short x;
};

struct __nv_bfloat16 {
  __nv_bfloat16() = default;
  __nv_bfloat16(float value) : bits_(trellis::float_to_bfloat16(value)) {}
  __nv_bfloat16(double value) : __nv_bfloat16(simt::round_to_odd(value)) {}
  __nv_bfloat16(int value) : __nv_bfloat16(static_cast<double>(value)) {}
  __nv_bfloat16(unsigned value) : __nv_bfloat16(static_cast<double>(value)) {}
  __nv_bfloat16(__nv_bfloat16_raw raw) : bits_(raw.x) {}

  operator float() const { return trellis::bfloat16_to_float(bits_); }
  operator __nv_bfloat16_raw() const { return {bits_}; }

 private:
  unsigned short bits_;
};

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;

  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) : x(x), y(y) {}
};

using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) {
  return __nv_bfloat16_raw{x};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) {
  return static_cast<__nv_bfloat16_raw>(x).x;
}
inline __nv_bfloat16 __short_as_bfloat16(short x) {
  return __nv_bfloat16_raw{static_cast<unsigned short>(x)};
}
inline short __bfloat16_as_short(__nv_bfloat16 x) {
  return static_cast<short>(static_cast<__nv_bfloat16_raw>(x).x);
}

inline float __bfloat162float(__nv_bfloat16 x) {
  return x;
}
inline __nv_bfloat16 __float2bfloat16(float x) {
  return x;
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  return x;
}
inline __nv_bfloat16 __double2bfloat16(double x) {
  return x;
}
inline __nv_bfloat16 __int2bfloat16_rn(int x) {
  return x;
}
inline __nv_bfloat16 __uint2bfloat16_rn(unsigned x) {
  return x;
}
inline int __bfloat162int_rn(__nv_bfloat16 x) {
  return simt::saturate<int>(std::nearbyint(static_cast<float>(x)));
}
inline int __bfloat162int_rz(__nv_bfloat16 x) {
  return simt::saturate<int>(std::trunc(static_cast<float>(x)));
}

inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return {x, y};
}
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 x) {
  return {x, x};
}
inline float2 __bfloat1622float2(__nv_bfloat162 x) {
  return {x.x, x.y};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 x) {
  return {x.x, x.y};
}
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return {x, y};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {x, y};
}
inline __nv_bfloat162 __float2bfloat162_rn(float x) {
  return {x, x};
}
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 x) {
  return x.x;
}
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 x) {
  return x.y;
}
inline float __low2float(__nv_bfloat162 x) {
  return x.x;
}
inline float __high2float(__nv_bfloat162 x) {
  return x.y;
}
inline __nv_bfloat162 __low2bfloat162(__nv_bfloat162 x) {
  return {x.x, x.x};
}
inline __nv_bfloat162 __high2bfloat162(__nv_bfloat162 x) {
  return {x.y, x.y};
}
inline __nv_bfloat162 __lows2bfloat162(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {x.x, y.x};
}
inline __nv_bfloat162 __highs2bfloat162(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {x.y, y.y};
}
inline __nv_bfloat162 __lowhigh2highlow(__nv_bfloat162 x) {
  return {x.y, x.x};
}

inline __nv_bfloat16 __hadd(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) + static_cast<float>(y);
}
inline __nv_bfloat16 __hsub(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) - static_cast<float>(y);
}
inline __nv_bfloat16 __hmul(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) * static_cast<float>(y);
}
inline __nv_bfloat16 __hdiv(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) / static_cast<float>(y);
}
/// Summed in fp64, where the product is exact.
inline __nv_bfloat16 __hfma(__nv_bfloat16 x, __nv_bfloat16 y, __nv_bfloat16 z) {
  return static_cast<double>(static_cast<float>(x)) * static_cast<float>(y) + static_cast<float>(z);
}
inline __nv_bfloat16 __hneg(__nv_bfloat16 x) {
  return __nv_bfloat16_raw{
      static_cast<unsigned short>(static_cast<__nv_bfloat16_raw>(x).x ^ 0x8000u)
  };
}
inline __nv_bfloat16 __habs(__nv_bfloat16 x) {
  return __nv_bfloat16_raw{
      static_cast<unsigned short>(static_cast<__nv_bfloat16_raw>(x).x & 0x7FFFu)
  };
}
inline bool __hisnan(__nv_bfloat16 x) {
  return std::isnan(static_cast<float>(x));
}
inline __nv_bfloat16 __hmax(__nv_bfloat16 x, __nv_bfloat16 y) {
  return std::fmax(static_cast<float>(x), static_cast<float>(y));
}
inline __nv_bfloat16 __hmin(__nv_bfloat16 x, __nv_bfloat16 y) {
  return std::fmin(static_cast<float>(x), static_cast<float>(y));
}
inline bool __heq(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) == static_cast<float>(y);
}
inline bool __hne(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) != static_cast<float>(y);
}
inline bool __hlt(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) < static_cast<float>(y);
}
inline bool __hle(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) <= static_cast<float>(y);
}
inline bool __hgt(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) > static_cast<float>(y);
}
inline bool __hge(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) >= static_cast<float>(y);
}

inline __nv_bfloat162 __hadd2(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hadd(x.x, y.x), __hadd(x.y, y.y)};
}
inline __nv_bfloat162 __hsub2(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hsub(x.x, y.x), __hsub(x.y, y.y)};
}
inline __nv_bfloat162 __hmul2(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hmul(x.x, y.x), __hmul(x.y, y.y)};
}
inline __nv_bfloat162 __hmax2(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hmax(x.x, y.x), __hmax(x.y, y.y)};
}
inline __nv_bfloat162 __hmin2(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hmin(x.x, y.x), __hmin(x.y, y.y)};
}
inline __nv_bfloat162 __h2div(__nv_bfloat162 x, __nv_bfloat162 y) {
  return {__hdiv(x.x, y.x), __hdiv(x.y, y.y)};
}
inline __nv_bfloat162 __hfma2(__nv_bfloat162 x, __nv_bfloat162 y, __nv_bfloat162 z) {
  return {__hfma(x.x, y.x, z.x), __hfma(x.y, y.y, z.y)};
}
inline __nv_bfloat162 __hneg2(__nv_bfloat162 x) {
  return {__hneg(x.x), __hneg(x.y)};
}
inline __nv_bfloat162 __habs2(__nv_bfloat162 x) {
  return {__habs(x.x), __habs(x.y)};
}

inline __nv_bfloat16 operator+(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __hadd(x, y);
}
inline __nv_bfloat16 operator-(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __hsub(x, y);
}
inline __nv_bfloat16 operator*(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __hmul(x, y);
}
inline __nv_bfloat16 operator/(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __hdiv(x, y);
}
inline __nv_bfloat16 operator-(__nv_bfloat16 x) {
  return __hneg(x);
}
inline __nv_bfloat16& operator+=(__nv_bfloat16& x, __nv_bfloat16 y) {
  return x = x + y;
}
inline __nv_bfloat16& operator-=(__nv_bfloat16& x, __nv_bfloat16 y) {
  return x = x - y;
}
inline __nv_bfloat16& operator*=(__nv_bfloat16& x, __nv_bfloat16 y) {
  return x = x * y;
}
inline __nv_bfloat16& operator/=(__nv_bfloat16& x, __nv_bfloat16 y) {
  return x = x / y;
}
inline bool operator==(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) == static_cast<float>(y);
}
inline bool operator!=(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) != static_cast<float>(y);
}
inline bool operator<(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) < static_cast<float>(y);
}
inline bool operator<=(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) <= static_cast<float>(y);
}
inline bool operator>(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) > static_cast<float>(y);
}
inline bool operator>=(__nv_bfloat16 x, __nv_bfloat16 y) {
  return static_cast<float>(x) >= static_cast<float>(y);
}
inline __nv_bfloat162 operator+(__nv_bfloat162 x, __nv_bfloat162 y) {
  return __hadd2(x, y);
}
inline __nv_bfloat162 operator-(__nv_bfloat162 x, __nv_bfloat162 y) {
  return __hsub2(x, y);
}
inline __nv_bfloat162 operator*(__nv_bfloat162 x, __nv_bfloat162 y) {
  return __hmul2(x, y);
}
inline __nv_bfloat162 operator/(__nv_bfloat162 x, __nv_bfloat162 y) {
  return __h2div(x, y);
}
