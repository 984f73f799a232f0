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

/// The codes of a group, a byte each: where they lie if that is how they lie, or else in `room`. A
/// group is planes of 4, 2 and 1 bits, the highest bits first.
template <int kBits>
inline const uint8_t* group_codes(const uint32_t* words, uint8_t* room) {
  if constexpr (kBits == 8) {
    return reinterpret_cast<const uint8_t*>(words);
  } else {
    Bytes codes;
    if constexpr ((kBits & 4) != 0) codes = load_fields<4>(words);
    if constexpr ((kBits & 6) == 6) codes = append_fields<2>(codes, load_fields<2>(words + 4));
    if constexpr ((kBits & 6) == 2) codes = load_fields<2>(words);
    if constexpr ((kBits & 1) != 0) {
      codes = append_fields<1>(codes, load_fields<1>(words + (kBits & 6)));
    }
    store_bytes(room, codes);
    return room;
  }
}

/// The numbers of 16 groups: (2 code + 1 - 2^bits) / 2^bits * scale. A code has 8 bits at most and
/// a scale 11, so that nothing is rounded.
template <int kBits>
inline void widen_groups(const uint32_t* words, const uint16_t* scales, float* out) {
  constexpr float kLevels = 1 << kBits;
  float steps[16];
  float lowest[16];
  for (int i = 0; i < 16; i += kLanes) {
    const Floats scale = load_half(scales + i);
    store(steps + i, mul(scale, fill(2.0f / kLevels)));
    store(lowest + i, mul(scale, fill(1.0f / kLevels - 1.0f)));
  }
  for (int group = 0; group < 16; ++group, words += kBits) {
    alignas(32) uint8_t room[kKvGroup];
    const uint8_t* codes = group_codes<kBits>(words, room);
    for (int i = 0; i < kKvGroup; i += kLanes, out += kLanes) {
      store(out, fma(load_bytes(codes + i), fill(steps[group]), fill(lowest[group])));
    }
  }
}

/// 16 rows from `row` on. out: [16, head_dim].
template <int kBits>
inline void widen_rows(const KvRows& cache, int64_t row, int64_t head_dim, float* out) {
  const int64_t groups = head_dim / kKvGroup;
  const uint32_t* words = static_cast<const uint32_t*>(cache.numbers) + row * groups * kBits;
  const uint16_t* scales = cache.scales + row * groups;
  for (int64_t i = 0; i < groups; ++i) {
    widen_groups<kBits>(words + i * 16 * kBits, scales + i * 16, out + i * 16 * kKvGroup);
  }
}

inline void widen_quantized(const KvRows& cache, int64_t row, int64_t head_dim, float* out) {
  using WidenRows = void (*)(const KvRows& cache, int64_t row, int64_t head_dim, float* out);
  constexpr WidenRows kWidenRows[] = {widen_rows<2>, widen_rows<3>, widen_rows<4>, widen_rows<5>,
                                      widen_rows<6>, widen_rows<7>, widen_rows<8>};
  kWidenRows[cache.bits - 2](cache, row, head_dim, out);
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
