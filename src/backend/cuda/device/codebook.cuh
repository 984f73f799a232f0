// The codebooks with the machine's own instructions; exl3/codebook.h says what they compute.
#pragma once

#include "backend/cuda/device/ptx.cuh"
#include "exl3/codebook.h"

#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

namespace trellis::cuda {

/// A state multiplied by the codebook's constant: the four bytes (mul1) or two halves (3inst, mcg)
/// whose sum makes the weight.
template <exl3::Codebook kCodebook>
__device__ __forceinline__ uint32_t mix(uint32_t state) {
  if constexpr (kCodebook == exl3::Codebook::kMul1) return state * exl3::kMul1Multiplier;
  if constexpr (kCodebook == exl3::Codebook::kMcg) return state * exl3::kMcgMultiplier;
  return state * 89226354u + 64248484u;
}

/// 3inst and mcg: the two halves whose sum is the weight. The constants sit in registers, or this
/// would become two instructions.
__device__ __forceinline__ uint32_t masked_halves(uint32_t mixed) {
  return lop3<0x6A>(mixed, 0x8FFF8FFFu, 0x3B603B60u);
}

__device__ __forceinline__ __half2 as_half2(uint32_t bits) {
  __half2 halves;
  memcpy(&halves, &bits, sizeof(bits));
  return halves;
}
__device__ __forceinline__ uint32_t as_bits(__half2 halves) {
  uint32_t bits = 0;
  memcpy(&bits, &halves, sizeof(bits));
  return bits;
}

/// The weights of two mixed states, exactly, as two halves; the first in the low one.
template <exl3::Codebook kCodebook>
__device__ __forceinline__ uint32_t weight_pair(uint32_t mixed0, uint32_t mixed1) {
  if constexpr (kCodebook == exl3::Codebook::kMul1) {
    // 0x6400 + sum is the half 1024 + sum.
    const uint32_t sum0 = __dp4a(mixed0, 0x01010101u, 0x6400u);
    const uint32_t sum1 = __dp4a(mixed1, 0x01010101u, 0x6400u);
    return as_bits(__hfma2(
        as_half2(__byte_perm(sum0, sum1, 0x5410)), as_half2(0x1EEE1EEEu), as_half2(0xC931C931u)
    ));
  } else {
    const uint32_t halves0 = masked_halves(mixed0);
    const uint32_t halves1 = masked_halves(mixed1);
    return as_bits(__hadd2(
        as_half2(__byte_perm(halves0, halves1, 0x5410)),
        as_half2(__byte_perm(halves0, halves1, 0x7632))
    ));
  }
}

}  // namespace trellis::cuda
