// Rows of a quantized cache as fp32 numbers in their rotated form, and the rotation itself. The
// same arithmetic as exl3/kv_quant.h, which is not included here: a function that one program
// compiles for several instruction sets must exist once per set.
#pragma once

#include "backend/cpu/isa/rows.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

inline bool is_quantized(const KvRows& cache) {
  return cache.bits <= 8;
}

/// Adds the plane of kWidth bits that begins at `plane` to 32 codes, below the bits they have.
template <int kWidth>
inline void unpack_plane(const uint32_t* plane, uint32_t* codes) {
  constexpr uint32_t kMask = (1u << kWidth) - 1;
  constexpr int kFields = 32 / kWidth;  // of a word
  for (int word = 0; word < kWidth; ++word) {
    for (int field = 0; field < kFields; ++field) {
      uint32_t& code = codes[word * kFields + field];
      code = (code << kWidth) | ((plane[word] >> (field * kWidth)) & kMask);
    }
  }
}

/// The codes of a group of `bits` words: planes of 8, 4, 2 and 1 bits, the highest bits first.
inline void unpack_group(const uint32_t* words, int bits, uint32_t* codes) {
  for (int i = 0; i < kKvGroup; ++i) codes[i] = 0;
  if ((bits & 8) != 0) unpack_plane<8>(words, codes);
  if ((bits & 4) != 0) unpack_plane<4>(words, codes);
  if ((bits & 2) != 0) unpack_plane<2>(words + (bits & 4), codes);
  if ((bits & 1) != 0) unpack_plane<1>(words + (bits & 6), codes);
}

/// The numbers of a row: (2 code + 1 - 2^bits) / 2^bits * scale. out: [head_dim].
inline void widen_quantized(const KvRows& cache, int64_t row, int64_t head_dim, float* out) {
  const int bits = cache.bits;
  const int64_t groups = head_dim / kKvGroup;
  const uint32_t* words = static_cast<const uint32_t*>(cache.numbers) + row * groups * bits;
  const float levels = static_cast<float>(1 << bits);
  const float middle = 0.5f * levels - 0.5f;
  for (int64_t group = 0; group < groups; ++group) {
    uint32_t codes[kKvGroup];
    unpack_group(words + group * bits, bits, codes);
    float scale;
    widen_half(cache.scales + row * groups + group, &scale, 1);
    const float step = 2.0f * scale / levels;
    for (int i = 0; i < kKvGroup; ++i) {
      const auto code = static_cast<float>(static_cast<int32_t>(codes[i]));
      out[group * kKvGroup + i] = (code - middle) * step;
    }
  }
}

/// Rotates every group of x by the orthonormal Hadamard transform; twice gives x back.
inline void rotate_groups(float* x, int64_t head_dim) {
  constexpr float kScale = 0.17677669529663688f;  // 1 / sqrt(32)
  for (int64_t group = 0; group < head_dim; group += kKvGroup) {
    float* values = x + group;
    for (int half = 1; half < kKvGroup; half *= 2) {
      for (int block = 0; block < kKvGroup; block += 2 * half) {
        for (int i = block; i < block + half; ++i) {
          const float low = values[i];
          const float high = values[i + half];
          values[i] = low + high;
          values[i + half] = low - high;
        }
      }
    }
    for (int i = 0; i < kKvGroup; ++i) values[i] *= kScale;
  }
}

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
