// AVX2 + FMA + F16C vocabulary of the kernels in this folder: 8 floats, 32 words of 16 bits and 16
// sums in two registers. Internal linkage throughout: nothing compiled with these flags may be
// shared with another translation unit.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// --- 8 floats.

using Floats = __m256;
constexpr int kLanes = 8;

inline Floats load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, Floats v) {
  _mm256_storeu_ps(p, v);
}
inline Floats load_part(const float* p, int n) {
  float lanes[kLanes] = {};
  __builtin_memcpy(lanes, p, static_cast<unsigned>(n) * sizeof(float));
  return load(lanes);
}
inline void store_part(float* p, Floats v, int n) {
  float lanes[kLanes];
  store(lanes, v);
  __builtin_memcpy(p, lanes, static_cast<unsigned>(n) * sizeof(float));
}
inline Floats fill(float x) {
  return _mm256_set1_ps(x);
}
/// The same four floats in every group of four lanes.
inline Floats repeat4(const float* p) {
  return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
}
inline Floats add(Floats a, Floats b) {
  return _mm256_add_ps(a, b);
}
inline Floats sub(Floats a, Floats b) {
  return _mm256_sub_ps(a, b);
}
inline Floats mul(Floats a, Floats b) {
  return _mm256_mul_ps(a, b);
}
inline Floats div(Floats a, Floats b) {
  return _mm256_div_ps(a, b);
}
/// a * b + c
inline Floats fma(Floats a, Floats b, Floats c) {
  return _mm256_fmadd_ps(a, b, c);
}
/// The larger; b where either is NaN.
inline Floats larger(Floats a, Floats b) {
  return _mm256_max_ps(a, b);
}
inline Floats smaller(Floats a, Floats b) {
  return _mm256_min_ps(a, b);
}
inline Floats absolute(Floats a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
inline float sum(Floats v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest(Floats v) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline Floats round_nearest(Floats v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/// 2^n for whole n in [-126, 127].
inline Floats power_of_two(Floats n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)
  );
}
inline Floats load_half(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Floats load_bfloat16(const uint16_t* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
inline Floats load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}
inline void store_half(uint16_t* p, Floats v) {
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
  );
}

/// Lane i of the result is the sum of the lanes of v[i].
inline Floats sum_each(const Floats (&v)[kLanes]) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(
      _mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)
  );
}

/// The butterflies of a Hadamard transform between lanes `Stride` apart: (a, b) becomes (a + b, a -
/// b).
template <int Stride>
inline Floats butterfly(Floats v) {
  if constexpr (Stride == 1) {
    const __m256 other = _mm256_permute_ps(v, 0xB1);
    return _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xAA);
  } else if constexpr (Stride == 2) {
    const __m256 other = _mm256_permute_ps(v, 0x4E);
    return _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xCC);
  } else {
    const __m256 other = _mm256_permute2f128_ps(v, v, 0x01);
    return _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xF0);
  }
}
inline Floats lane_butterflies(Floats v) {
  return butterfly<4>(butterfly<2>(butterfly<1>(v)));
}

/// Rounds to nearest, as 16-bit integers.
inline void store_int16(int16_t* p, Floats v) {
  const __m256i wide = _mm256_cvtps_epi32(v);
  const __m128i narrow =
      _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow);
}

// --- 32 bytes.

using Bytes = __m256i;

inline void store_bytes(uint8_t* p, Bytes v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
/// 32 fields of kWidth = 4, 2 or 1 bits, the lowest first, as a byte each.
template <int kWidth>
inline Bytes load_fields(const uint32_t* p) {
  if constexpr (kWidth == 4) {
    const __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_and_si256(_mm256_or_si256(x, _mm256_slli_epi16(x, 4)), _mm256_set1_epi8(0xF));
  } else if constexpr (kWidth == 2) {
    const __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i two = _mm256_or_si256(x, _mm256_slli_epi32(x, 12));
    return _mm256_and_si256(_mm256_or_si256(two, _mm256_slli_epi32(two, 6)), _mm256_set1_epi8(0x3));
  } else {
    // Each byte of the word eight times, of which each keeps another bit.
    const __m256i places =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i x = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(*p)), places);
    const __m256i bits = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    return _mm256_min_epu8(_mm256_and_si256(x, bits), _mm256_set1_epi8(1));
  }
}
/// a << kWidth | b; nothing may leave a byte.
template <int kWidth>
inline Bytes append_fields(Bytes a, Bytes b) {
  return _mm256_or_si256(_mm256_slli_epi16(a, kWidth), b);
}

// --- 32 words of 16 bits.

struct Words {
  __m256i part[2];
};

template <typename Function>
inline Words each_word(const Function& function) {
  return {{function(0), function(1)}};
}

inline Words load_words(const void* p) {
  const auto* parts = static_cast<const __m256i*>(p);
  return {{_mm256_loadu_si256(parts), _mm256_loadu_si256(parts + 1)}};
}
inline void store_words(void* p, Words v) {
  auto* parts = static_cast<__m256i*>(p);
  _mm256_storeu_si256(parts, v.part[0]);
  _mm256_storeu_si256(parts + 1, v.part[1]);
}
inline Words fill_word(uint16_t x) {
  const __m256i v = _mm256_set1_epi16(static_cast<int16_t>(x));
  return {{v, v}};
}
/// The same four words in every group of four.
inline Words repeat4_words(const int16_t* p) {
  int64_t four;
  __builtin_memcpy(&four, p, sizeof(four));
  const __m256i v = _mm256_set1_epi64x(four);
  return {{v, v}};
}
inline Words add_words(Words a, Words b) {
  return each_word([&](int i) { return _mm256_add_epi16(a.part[i], b.part[i]); });
}
inline Words mul_low(Words a, Words b) {
  return each_word([&](int i) { return _mm256_mullo_epi16(a.part[i], b.part[i]); });
}
inline Words mul_high(Words a, Words b) {
  return each_word([&](int i) { return _mm256_mulhi_epu16(a.part[i], b.part[i]); });
}
/// The sum of the two bytes of each word.
inline Words byte_pairs(Words a) {
  return each_word([&](int i) { return _mm256_maddubs_epi16(a.part[i], _mm256_set1_epi8(1)); });
}
/// (a + b) >> 16 for the 17-bit sums: 1 where adding carries out of 16 bits. b is at least 1.
inline Words carry_out(Words a, uint16_t b) {
  const Words less = fill_word(static_cast<uint16_t>(b - 1));
  return each_word([&](int i) {
    return _mm256_srli_epi16(_mm256_avg_epu16(a.part[i], less.part[i]), 15);
  });
}
/// x masked with 0x8FFF and flipped by 0x3B60, read as a half and multiplied by 2^13: a 15-bit
/// integer with its sign.
inline Words fixed_point_half(Words x) {
  return each_word([&](int i) {
    const __m256i word = x.part[i];
    // A byte shuffle looks up 1 << exponent; the index of each upper byte has its top bit set and
    // gives zero.
    const __m256i powers = _mm256_setr_epi8(
        4, 8, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0
    );
    const __m256i index = _mm256_or_si256(
        _mm256_and_si256(_mm256_srli_epi16(word, 10), _mm256_set1_epi16(3)),
        _mm256_set1_epi16(static_cast<int16_t>(0x8000))
    );
    const __m256i mantissa = _mm256_xor_si256(
        _mm256_and_si256(word, _mm256_set1_epi16(0x3FF)), _mm256_set1_epi16(0x760)
    );
    const __m256i magnitude = _mm256_mullo_epi16(mantissa, _mm256_shuffle_epi8(powers, index));
    return _mm256_sign_epi16(magnitude, _mm256_or_si256(word, _mm256_set1_epi16(1)));
  });
}

inline void store_rounded_to_half(float* p, __m256 v) {
  const __m128i rounded = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_ps(p, _mm256_cvtph_ps(rounded));
}
/// p[0..31] = round to half of (half_from(low) + half_from(high)), as floats, after the same mask
/// and flip.
inline void store_sum_of_halves(float* p, Words low, Words high) {
  const auto masked = [](__m256i x) {
    return _mm256_xor_si256(
        _mm256_and_si256(x, _mm256_set1_epi16(static_cast<int16_t>(0x8FFF))),
        _mm256_set1_epi16(0x3B60)
    );
  };
  for (int i = 0; i < 2; ++i) {
    const __m256i a = masked(low.part[i]);
    const __m256i b = masked(high.part[i]);
    const auto exact = [](__m128i x, __m128i y) {
      return _mm256_add_ps(_mm256_cvtph_ps(x), _mm256_cvtph_ps(y));
    };
    store_rounded_to_half(p + 16 * i, exact(_mm256_castsi256_si128(a), _mm256_castsi256_si128(b)));
    store_rounded_to_half(
        p + 16 * i + 8, exact(_mm256_extracti128_si256(a, 1), _mm256_extracti128_si256(b, 1))
    );
  }
}
/// p[0..31] = round to half of (scale * (1024 + words) + offset), as floats.
inline void store_affine(float* p, Words words, float scale, float offset) {
  const auto exact = [&](__m128i x) {
    const __m256 value =
        _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_cvtepu16_epi32(x), _mm256_set1_epi32(1024)));
    return _mm256_add_ps(_mm256_mul_ps(value, _mm256_set1_ps(scale)), _mm256_set1_ps(offset));
  };
  for (int i = 0; i < 2; ++i) {
    store_rounded_to_half(p + 16 * i, exact(_mm256_castsi256_si128(words.part[i])));
    store_rounded_to_half(p + 16 * i + 8, exact(_mm256_extracti128_si256(words.part[i], 1)));
  }
}

// --- 32 stream words of 32 bits, those of the even lanes first in memory.

struct Stream {
  Words upper;
  Words lower;
};

inline Stream load_stream(const uint32_t* p) {
  const Words even = load_words(p);
  const Words odd = load_words(p + 16);
  const auto upper = [&](int i) {
    return _mm256_blend_epi16(_mm256_srli_epi32(even.part[i], 16), odd.part[i], 0xAA);
  };
  const auto lower = [&](int i) {
    return _mm256_blend_epi16(even.part[i], _mm256_slli_epi32(odd.part[i], 16), 0xAA);
  };
  return {each_word(upper), each_word(lower)};
}
/// Bits End - 16 to End - 1 of each word, counted from the most significant; negative ones are the
/// last of the word before.
template <int End>
inline Words window(const Stream& before, const Stream& word) {
  if constexpr (End == 16) return word.upper;
  if constexpr (End == 32) return word.lower;
  constexpr int kCount = End & 15;
  const Words& first = End < 16 ? before.lower : word.upper;
  const Words& second = End < 16 ? word.upper : word.lower;
  return each_word([&](int i) {
    return _mm256_or_si256(
        _mm256_slli_epi16(first.part[i], kCount), _mm256_srli_epi16(second.part[i], 16 - kCount)
    );
  });
}
/// The sum of the four bytes of window * multiplier (32 bits).
template <int End>
inline Words window_byte_sums(const Stream& before, const Stream& word, uint32_t multiplier) {
  const Words x = window<End>(before, word);
  const Words factor = fill_word(static_cast<uint16_t>(multiplier));
  const Words upper = fill_word(static_cast<uint16_t>(multiplier >> 16));
  const Words high = add_words(mul_high(x, factor), mul_low(x, upper));
  return add_words(byte_pairs(mul_low(x, factor)), byte_pairs(high));
}

// --- 16 sums of 32 bits.

struct Sums {
  __m256i part[2];
};

/// The same two sums in every pair of lanes.
inline Sums repeat2_sums(const int32_t* p) {
  int64_t two;
  __builtin_memcpy(&two, p, sizeof(two));
  const __m256i v = _mm256_set1_epi64x(two);
  return {{v, v}};
}
inline Sums zero_sums() {
  return {{_mm256_setzero_si256(), _mm256_setzero_si256()}};
}
inline Sums add_sums(Sums a, Sums b) {
  return {{_mm256_add_epi32(a.part[0], b.part[0]), _mm256_add_epi32(a.part[1], b.part[1])}};
}
inline Sums sub_sums(Sums a, Sums b) {
  return {{_mm256_sub_epi32(a.part[0], b.part[0]), _mm256_sub_epi32(a.part[1], b.part[1])}};
}
/// sums + w * a, the products of neighbouring words added; wraps around.
inline Sums dot(Sums sums, Words w, Words a) {
  return {
      {_mm256_add_epi32(sums.part[0], _mm256_madd_epi16(w.part[0], a.part[0])),
       _mm256_add_epi32(sums.part[1], _mm256_madd_epi16(w.part[1], a.part[1]))}
  };
}
/// p[0..15] += scale * sums
inline void add_scaled(float* p, Sums sums, float scale) {
  for (int i = 0; i < 2; ++i) {
    store(p + 8 * i, add(load(p + 8 * i), mul(_mm256_cvtepi32_ps(sums.part[i]), fill(scale))));
  }
}

// Rows multiplied together: what fills the registers without spilling.
constexpr int kIntegerRows = 2;
constexpr int kFloatRows = 1;
constexpr int kDenseRows = 2;
/// Sums that hide the latency of a dot product, which is an addition's here. More do not fit.
constexpr int kSumsInFlight = 4;
constexpr bool kMultipliesPairs = false;  // the products' own additions take those ports

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
