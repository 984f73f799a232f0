// The same vocabulary in plain loops, for machines with none of the other instruction sets, and for
// tests: 8 floats, 32 words of 16 bits, 16 sums. The compiler may use whatever the base
// architecture has.
#pragma once

#include "base/half.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// --- 8 floats.

constexpr int kLanes = 8;
struct Floats {
  float lane[kLanes];
};

template <typename Function>
inline Floats each_float(const Function& function) {
  Floats result;
  for (int i = 0; i < kLanes; ++i) result.lane[i] = function(i);
  return result;
}

inline Floats load(const float* p) {
  return each_float([=](int i) { return p[i]; });
}
inline void store(float* p, Floats v) {
  for (int i = 0; i < kLanes; ++i) p[i] = v.lane[i];
}
inline Floats load_part(const float* p, int n) {
  return each_float([=](int i) { return i < n ? p[i] : 0.0f; });
}
inline void store_part(float* p, Floats v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v.lane[i];
}
inline Floats fill(float x) {
  return each_float([=](int) { return x; });
}
/// The same four floats in every group of four lanes.
inline Floats repeat4(const float* p) {
  return each_float([=](int i) { return p[i & 3]; });
}
inline Floats add(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Floats sub(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Floats mul(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Floats div(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] / b.lane[i]; });
}
/// a * b + c, rounded twice: a fused one would be a function call here.
inline Floats fma(Floats a, Floats b, Floats c) {
  return add(mul(a, b), c);
}
/// The larger; b where either is NaN.
inline Floats larger(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Floats smaller(Floats a, Floats b) {
  return each_float([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Floats absolute(Floats a) {
  return each_float([&](int i) { return std::fabs(a.lane[i]); });
}
inline float sum(Floats v) {
  for (int stride = kLanes / 2; stride > 0; stride /= 2) {
    for (int i = 0; i < stride; ++i) v.lane[i] += v.lane[i + stride];
  }
  return v.lane[0];
}
inline float largest(Floats v) {
  float result = v.lane[0];
  for (int i = 1; i < kLanes; ++i) result = v.lane[i] > result ? v.lane[i] : result;
  return result;
}
inline Floats round_nearest(Floats v) {
  return each_float([&](int i) { return std::nearbyint(v.lane[i]); });
}
/// 2^n for whole n in [-126, 127]; 1 for NaN.
inline Floats power_of_two(Floats n) {
  return each_float([&](int i) {
    const int32_t exponent = n.lane[i] == n.lane[i] ? static_cast<int32_t>(n.lane[i]) : 0;
    return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
  });
}
inline Floats load_half(const uint16_t* p) {
  return each_float([=](int i) { return half_to_float(p[i]); });
}
inline Floats load_bfloat16(const uint16_t* p) {
  return each_float([=](int i) { return bfloat16_to_float(p[i]); });
}
inline Floats load_bytes(const uint8_t* p) {
  return each_float([=](int i) { return static_cast<float>(p[i]); });
}
inline void store_half(uint16_t* p, Floats v) {
  for (int i = 0; i < kLanes; ++i) p[i] = float_to_half(v.lane[i]);
}

/// Lane i of the result is the sum of the lanes of v[i].
inline Floats sum_each(const Floats (&v)[kLanes]) {
  return each_float([&](int i) { return sum(v[i]); });
}

/// The butterflies of a Hadamard transform within the lanes: (a, b) becomes (a + b, a - b).
inline Floats lane_butterflies(Floats v) {
  for (int stride = 1; stride < kLanes; stride *= 2) {
    for (int i = 0; i < kLanes; ++i) {
      if ((i & stride) != 0) continue;
      const float a = v.lane[i];
      const float b = v.lane[i + stride];
      v.lane[i] = a + b;
      v.lane[i + stride] = a - b;
    }
  }
  return v;
}

/// Rounds to nearest, as 16-bit integers; what does not fit is clamped, and NaN gives zero.
inline void store_int16(int16_t* p, Floats v) {
  for (int i = 0; i < kLanes; ++i) {
    const float rounded = std::nearbyint(v.lane[i]);
    const float bounded =
        rounded > 32767.0f ? 32767.0f : (rounded < -32768.0f ? -32768.0f : rounded);
    p[i] = bounded == bounded ? static_cast<int16_t>(bounded) : int16_t{0};
  }
}

// --- 32 bytes.

struct Bytes {
  uint8_t lane[32];
};

template <typename Function>
inline Bytes each_byte(const Function& function) {
  Bytes result;
  for (int i = 0; i < 32; ++i) result.lane[i] = static_cast<uint8_t>(function(i));
  return result;
}

inline void store_bytes(uint8_t* p, const Bytes& v) {
  __builtin_memcpy(p, &v, sizeof(v));
}
/// 32 fields of kWidth = 4, 2 or 1 bits, the lowest first, as a byte each.
template <int kWidth>
inline Bytes load_fields(const uint32_t* p) {
  return each_byte([=](int i) {
    return (p[i * kWidth / 32] >> (i * kWidth % 32)) & ((1u << kWidth) - 1);
  });
}
/// a << kWidth | b; nothing may leave a byte.
template <int kWidth>
inline Bytes append_fields(const Bytes& a, const Bytes& b) {
  return each_byte([&](int i) { return (a.lane[i] << kWidth) | b.lane[i]; });
}

// --- 32 words of 16 bits.

struct Words {
  uint16_t lane[32];
};

template <typename Function>
inline Words each_word(const Function& function) {
  Words result;
  for (int i = 0; i < 32; ++i) result.lane[i] = static_cast<uint16_t>(function(i));
  return result;
}

inline Words load_words(const void* p) {
  Words result;
  __builtin_memcpy(&result, p, sizeof(result));
  return result;
}
inline void store_words(void* p, const Words& v) {
  __builtin_memcpy(p, &v, sizeof(v));
}
inline Words fill_word(uint16_t x) {
  return each_word([=](int) { return x; });
}
/// The same four words in every group of four.
inline Words repeat4_words(const int16_t* p) {
  return each_word([=](int i) { return p[i & 3]; });
}
inline Words add_words(const Words& a, const Words& b) {
  return each_word([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Words mul_low(const Words& a, const Words& b) {
  return each_word([&](int i) { return static_cast<uint32_t>(a.lane[i]) * b.lane[i]; });
}
inline Words mul_high(const Words& a, const Words& b) {
  return each_word([&](int i) { return (static_cast<uint32_t>(a.lane[i]) * b.lane[i]) >> 16; });
}
/// (a + b) >> 16 for the 17-bit sums: 1 where adding carries out of 16 bits. b is at least 1.
inline Words carry_out(const Words& a, uint16_t b) {
  return each_word([&](int i) { return (uint32_t{a.lane[i]} + b) >> 16; });
}
/// x masked with 0x8FFF and flipped by 0x3B60, read as a half and multiplied by 2^13: a 15-bit
/// integer with its sign.
inline Words fixed_point_half(const Words& x) {
  return each_word([&](int i) {
    const int exponent = ((x.lane[i] >> 10) & 3) ^ 2;
    const int magnitude = ((x.lane[i] & 0x3FF) ^ 0x760) << exponent;
    return (x.lane[i] & 0x8000) != 0 ? -magnitude : magnitude;
  });
}
/// p[0..31] = round to half of (half_from(low) + half_from(high)), as floats, after the same mask
/// and flip.
inline void store_sum_of_halves(float* p, const Words& low, const Words& high) {
  const auto value = [](uint16_t x) {
    return half_to_float(static_cast<uint16_t>((x & 0x8FFF) ^ 0x3B60));
  };
  for (int i = 0; i < 32; ++i)
    p[i] = half_to_float(float_to_half(value(low.lane[i]) + value(high.lane[i])));
}
/// p[0..31] = round to half of (scale * (1024 + words) + offset), as floats.
inline void store_affine(float* p, const Words& words, float scale, float offset) {
  for (int i = 0; i < 32; ++i) {
    p[i] = half_to_float(float_to_half(static_cast<float>(1024 + words.lane[i]) * scale + offset));
  }
}

// --- 32 stream words of 32 bits, those of the even lanes first in memory.

struct Stream {
  uint32_t lane[32];
};

inline Stream load_stream(const uint32_t* p) {
  Stream result;
  for (int i = 0; i < 32; ++i) result.lane[i] = p[(i & 1) * 16 + (i >> 1)];
  return result;
}
/// Bits End - 16 to End - 1 of each word, counted from the most significant; negative ones are the
/// last of the word before.
template <int End>
inline Words window(const Stream& before, const Stream& word) {
  return each_word([&](int i) {
    const uint32_t bits = word.lane[i] >> (32 - End);
    return End < 16 ? (before.lane[i] << (End & 31)) | bits : bits;
  });
}
/// The sum of the four bytes of window * multiplier (32 bits).
template <int End>
inline Words window_byte_sums(const Stream& before, const Stream& word, uint32_t multiplier) {
  const Words x = window<End>(before, word);
  return each_word([&](int i) {
    const uint32_t product = x.lane[i] * multiplier;
    const uint32_t pairs = (product & 0x00FF00FF) + ((product >> 8) & 0x00FF00FF);
    return (pairs & 0xFFFF) + (pairs >> 16);
  });
}

// --- 16 sums of 32 bits; unsigned, because they may wrap around on the way to a result that fits.

struct Sums {
  uint32_t lane[16];
};

/// The same two sums in every pair of lanes.
inline Sums repeat2_sums(const int32_t* p) {
  Sums result;
  for (int i = 0; i < 16; ++i) result.lane[i] = static_cast<uint32_t>(p[i & 1]);
  return result;
}
inline Sums zero_sums() {
  return {};
}
inline Sums add_sums(const Sums& a, const Sums& b) {
  Sums result;
  for (int i = 0; i < 16; ++i) result.lane[i] = a.lane[i] + b.lane[i];
  return result;
}
inline Sums sub_sums(const Sums& a, const Sums& b) {
  Sums result;
  for (int i = 0; i < 16; ++i) result.lane[i] = a.lane[i] - b.lane[i];
  return result;
}
/// sums + w * a, the products of neighbouring words added; wraps around.
inline Sums dot(const Sums& sums, const Words& w, const Words& a) {
  const auto product = [&](int i) {
    return static_cast<uint32_t>(static_cast<int16_t>(w.lane[i]) * static_cast<int16_t>(a.lane[i]));
  };
  Sums result;
  for (int i = 0; i < 16; ++i) result.lane[i] = sums.lane[i] + product(2 * i) + product(2 * i + 1);
  return result;
}
/// p[0..15] += scale * sums
inline void add_scaled(float* p, const Sums& sums, float scale) {
  for (int i = 0; i < 16; ++i)
    p[i] += scale * static_cast<float>(static_cast<int32_t>(sums.lane[i]));
}

constexpr int kIntegerRows = 2;
constexpr int kFloatRows = 1;
constexpr int kDenseRows = 2;
constexpr int kSumsInFlight = 2;
constexpr bool kMultipliesPairs = false;

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
