// AVX-512 (F, BW, VL, DQ, VNNI, VBMI2) vocabulary of the kernels in this folder: 16 floats, 32
// words of 16 bits, 16 sums. Internal linkage throughout: nothing compiled with these flags may be
// shared with another translation unit.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// --- 16 floats.

using Floats = __m512;
constexpr int kLanes = 16;

inline Floats load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, Floats v) {
  _mm512_storeu_ps(p, v);
}
inline Floats load_part(const float* p, int n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
}
inline void store_part(float* p, Floats v, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
}
inline Floats fill(float x) {
  return _mm512_set1_ps(x);
}
/// The same four floats in every group of four lanes.
inline Floats repeat4(const float* p) {
  return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
}
inline Floats add(Floats a, Floats b) {
  return _mm512_add_ps(a, b);
}
inline Floats sub(Floats a, Floats b) {
  return _mm512_sub_ps(a, b);
}
inline Floats mul(Floats a, Floats b) {
  return _mm512_mul_ps(a, b);
}
inline Floats div(Floats a, Floats b) {
  return _mm512_div_ps(a, b);
}
/// a * b + c
inline Floats fma(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
/// The larger; b where either is NaN.
inline Floats larger(Floats a, Floats b) {
  return _mm512_max_ps(a, b);
}
inline Floats smaller(Floats a, Floats b) {
  return _mm512_min_ps(a, b);
}
inline Floats absolute(Floats a) {
  return _mm512_abs_ps(a);
}
inline float sum(Floats v) {
  return _mm512_reduce_add_ps(v);
}
inline float largest(Floats v) {
  return _mm512_reduce_max_ps(v);
}
inline Floats round_nearest(Floats v) {
  return _mm512_roundscale_ps(v, 0);
}
/// 2^n for whole n in [-126, 127].
inline Floats power_of_two(Floats n) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23)
  );
}
inline Floats load_half(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Floats load_bfloat16(const uint16_t* p) {
  const __m512i wide =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
inline Floats load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}
inline void store_half(uint16_t* p, Floats v) {
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(p),
      _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
  );
}

/// Lane i of the result is the sum of the lanes of v[i].
inline Floats sum_each(const Floats (&v)[kLanes]) {
  __m512 quads[4];
  for (int i = 0; i < 4; ++i) {
    const __m512* q = v + 4 * i;
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(q[0], q[1]), _mm512_unpackhi_ps(q[0], q[1]));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(q[2], q[3]), _mm512_unpackhi_ps(q[2], q[3]));
    quads[i] = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
  }
  const auto fold = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
  };
  return fold(fold(quads[0], quads[1]), fold(quads[2], quads[3]));
}

/// The butterflies of a Hadamard transform between lanes `Stride` apart: (a, b) becomes (a + b, a -
/// b).
template <int Stride>
inline Floats butterfly(Floats v) {
  __m512 other;
  __mmask16 upper;
  if constexpr (Stride == 1) {
    other = _mm512_permute_ps(v, 0xB1);
    upper = 0xAAAA;
  } else if constexpr (Stride == 2) {
    other = _mm512_permute_ps(v, 0x4E);
    upper = 0xCCCC;
  } else if constexpr (Stride == 4) {
    other = _mm512_shuffle_f32x4(v, v, 0xB1);
    upper = 0xF0F0;
  } else {
    other = _mm512_shuffle_f32x4(v, v, 0x4E);
    upper = 0xFF00;
  }
  return _mm512_mask_sub_ps(_mm512_add_ps(v, other), upper, other, v);
}
inline Floats lane_butterflies(Floats v) {
  return butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(v))));
}

/// Rounds to nearest, as 16-bit integers.
inline void store_int16(int16_t* p, Floats v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
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
    const __m256i mask = _mm256_set1_epi8(0xF);
    return _mm256_ternarylogic_epi32(x, _mm256_slli_epi16(x, 4), mask, 0xA8);  // (a | b) & c
  } else if constexpr (kWidth == 2) {
    const __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i two = _mm256_or_si256(x, _mm256_slli_epi32(x, 12));
    const __m256i mask = _mm256_set1_epi8(0x3);
    return _mm256_ternarylogic_epi32(two, _mm256_slli_epi32(two, 6), mask, 0xA8);
  } else {
    return _mm256_maskz_set1_epi8(*p, 1);
  }
}
/// a << kWidth | b; nothing may leave a byte.
template <int kWidth>
inline Bytes append_fields(Bytes a, Bytes b) {
  return _mm256_or_si256(_mm256_slli_epi16(a, kWidth), b);
}

// --- 32 words of 16 bits.

using Words = __m512i;

inline Words load_words(const void* p) {
  return _mm512_loadu_si512(p);
}
inline void store_words(void* p, Words v) {
  _mm512_storeu_si512(p, v);
}
inline Words fill_word(uint16_t x) {
  return _mm512_set1_epi16(static_cast<int16_t>(x));
}
/// The same four words in every group of four.
inline Words repeat4_words(const int16_t* p) {
  int64_t four;
  __builtin_memcpy(&four, p, sizeof(four));
  return _mm512_set1_epi64(four);
}
inline Words add_words(Words a, Words b) {
  return _mm512_add_epi16(a, b);
}
inline Words mul_low(Words a, Words b) {
  return _mm512_mullo_epi16(a, b);
}
inline Words mul_high(Words a, Words b) {
  return _mm512_mulhi_epu16(a, b);
}
/// (a + b) >> 16 for the 17-bit sums: 1 where adding carries out of 16 bits. b is at least 1.
inline Words carry_out(Words a, uint16_t b) {
  return _mm512_srli_epi16(_mm512_avg_epu16(a, fill_word(static_cast<uint16_t>(b - 1))), 15);
}
/// x masked with 0x8FFF and flipped by 0x3B60, read as a half and multiplied by 2^13: a 15-bit
/// integer with its sign.
inline Words fixed_point_half(Words x) {
  const __m512i exponent =
      _mm512_ternarylogic_epi32(_mm512_srli_epi16(x, 10), fill_word(3), fill_word(2), 0x6A);
  const __m512i mantissa = _mm512_ternarylogic_epi32(x, fill_word(0x3FF), fill_word(0x760), 0x6A);
  const __m512i magnitude = _mm512_sllv_epi16(mantissa, exponent);
  return _mm512_mask_sub_epi16(
      magnitude, _mm512_movepi16_mask(x), _mm512_setzero_si512(), magnitude
  );
}
/// p[0..31] = round to half of (half_from(low) + half_from(high)), as floats, after the same mask
/// and flip.
inline void store_sum_of_halves(float* p, Words low, Words high) {
  const auto masked = [](Words x) {
    return _mm512_ternarylogic_epi32(x, fill_word(0x8FFF), fill_word(0x3B60), 0x6A);
  };
  const __m512i a = masked(low);
  const __m512i b = masked(high);
  const auto half = [&](__m256i x, __m256i y, float* out) {
    const __m512 exact = _mm512_add_ps(_mm512_cvtph_ps(x), _mm512_cvtph_ps(y));
    const __m256i rounded = _mm512_cvtps_ph(exact, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm512_storeu_ps(out, _mm512_cvtph_ps(rounded));
  };
  half(_mm512_castsi512_si256(a), _mm512_castsi512_si256(b), p);
  half(_mm512_extracti64x4_epi64(a, 1), _mm512_extracti64x4_epi64(b, 1), p + 16);
}
/// p[0..31] = round to half of (scale * (1024 + words) + offset), as floats.
inline void store_affine(float* p, Words words, float scale, float offset) {
  const auto half = [&](__m256i x, float* out) {
    const __m512 value =
        _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_cvtepu16_epi32(x), _mm512_set1_epi32(1024)));
    const __m512 exact =
        _mm512_add_ps(_mm512_mul_ps(value, _mm512_set1_ps(scale)), _mm512_set1_ps(offset));
    const __m256i rounded = _mm512_cvtps_ph(exact, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm512_storeu_ps(out, _mm512_cvtph_ps(rounded));
  };
  half(_mm512_castsi512_si256(words), p);
  half(_mm512_extracti64x4_epi64(words, 1), p + 16);
}

// --- 32 stream words of 32 bits, those of the even lanes first in memory.

struct Stream {
  __m512i even;
  __m512i odd;
};
constexpr __mmask32 kOddWords = 0xAAAAAAAA;

inline Stream load_stream(const uint32_t* p) {
  return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 16)};
}
/// Bits End - 16 to End - 1 of each word, counted from the most significant; negative ones are the
/// last of the word before.
template <int End>
inline Words window(const Stream& before, const Stream& word) {
  const auto upper = [](const Stream& s) {
    return _mm512_mask_blend_epi16(kOddWords, _mm512_srli_epi32(s.even, 16), s.odd);
  };
  const auto lower = [](const Stream& s) {
    return _mm512_mask_blend_epi16(kOddWords, s.even, _mm512_slli_epi32(s.odd, 16));
  };
  if constexpr (End < 16) {
    return _mm512_shldi_epi16(lower(before), upper(word), End);
  } else if constexpr (End == 16) {
    return upper(word);
  } else if constexpr (End == 32) {
    return lower(word);
  } else {
    return _mm512_shldi_epi16(upper(word), lower(word), End - 16);
  }
}
/// Two bytes of each 32-bit lane, from byte First on, moved to byte To; the others are zero.
template <int First, int To>
inline __m512i two_bytes() {
  constexpr uint32_t kNone = 0x80808080u & ~(0xFFFFu << (8 * To));
  constexpr uint32_t kLane = kNone | static_cast<uint32_t>(First | (First + 1) << 8) << (8 * To);
  constexpr uint32_t kNext = 0x0404u << (8 * To);
  return _mm512_set4_epi32(
      static_cast<int>(kLane + 3 * kNext), static_cast<int>(kLane + 2 * kNext),
      static_cast<int>(kLane + kNext), static_cast<int>(kLane)
  );
}
/// As window, of 16 lanes, each alone in 32 bits. Without rotations and funnel shifts: they run on
/// the multiplier's ports.
template <int End>
inline __m512i wide_window(__m512i before, __m512i word) {
  if constexpr (End == 16) {
    return _mm512_srli_epi32(word, 16);
  } else if constexpr (End < 16) {
    const __m512i joined = _mm512_mask_shuffle_epi8(
        _mm512_srli_epi32(word, 16), 0xCCCCCCCCCCCCCCCC, before, two_bytes<0, 2>()
    );
    return wide_window<End + 16>(before, joined);
  } else if constexpr (End == 24) {
    return _mm512_shuffle_epi8(word, two_bytes<1, 0>());
  } else {
    return _mm512_and_si512(_mm512_srli_epi32(word, 32 - End), _mm512_set1_epi32(0xFFFF));
  }
}
/// The sum of the four bytes of window * multiplier (32 bits). The multiplier's ports limit the
/// kernels: whole products take two of their cycles where halves of 16 bits take three, and all
/// that is not a product is left to the other ports. The sum of the odd lanes enters as what that
/// of the even lanes is added to.
template <int End>
inline Words window_byte_sums(const Stream& before, const Stream& word, uint32_t multiplier) {
  const __m512i factor = _mm512_set1_epi32(static_cast<int>(multiplier));
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512i even = _mm512_mullo_epi32(wide_window<End>(before.even, word.even), factor);
  const __m512i odd = _mm512_mullo_epi32(wide_window<End>(before.odd, word.odd), factor);
  const __m512i odd_sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), odd, ones);
  return _mm512_dpbusd_epi32(_mm512_slli_epi32(odd_sums, 16), even, ones);
}

// --- 16 sums of 32 bits.

using Sums = __m512i;

/// The same two sums in every pair of lanes.
inline Sums repeat2_sums(const int32_t* p) {
  int64_t two;
  __builtin_memcpy(&two, p, sizeof(two));
  return _mm512_set1_epi64(two);
}
inline Sums zero_sums() {
  return _mm512_setzero_si512();
}
inline Sums add_sums(Sums a, Sums b) {
  return _mm512_add_epi32(a, b);
}
inline Sums sub_sums(Sums a, Sums b) {
  return _mm512_sub_epi32(a, b);
}
/// sums + w * a, the products of neighbouring words added; wraps around.
inline Sums dot(Sums sums, Words w, Words a) {
  // By the intrinsic g++ 12 moves every sum to another register and back, and some to memory.
  asm("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(w), "vm"(a));
  return sums;
}
/// p[0..15] += scale * sums
inline void add_scaled(float* p, Sums sums, float scale) {
  store(p, add(load(p), mul(_mm512_cvtepi32_ps(sums), fill(scale))));
}

// Rows multiplied together: what fills the registers without spilling.
constexpr int kIntegerRows = 8;
constexpr int kFloatRows = 4;
constexpr int kDenseRows = 4;
/// Sums that hide the latency of a dot product.
constexpr int kSumsInFlight = 8;
/// Whether rows can be multiplied by pairs of inputs: where additions have ports of their own.
constexpr bool kMultipliesPairs = true;

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
