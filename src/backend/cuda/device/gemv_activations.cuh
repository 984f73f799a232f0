// The activations of the GEMV kernel on their way from rounded rows to the B operand of the tensor
// cores: fetched into registers, rounded once more in units of the row, and kept in shared memory
// in the order of the fragments.
#pragma once

#include "backend/cuda/device/gemv_shape.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/exl3_gemv.h"

#include <cuda_fp16.h>

namespace trellis::cuda::gemv {

/// The B operand of 64 inputs, one column of the sums to a lane. step: its shared memory.
template <class Shape>
__device__ __forceinline__ void load_activations(uint32_t (&b)[16], uint32_t step, int column) {
  const int t = static_cast<int>(threadIdx.x) % 4;
  if constexpr (Shape::kSplat) {
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const uint4 v = load_shared_128(step + (s * Shape::kSums + column) * 64 + t * 16);
      b[4 * s] = v.x;
      b[4 * s + 1] = v.y;
      b[4 * s + 2] = v.z;
      b[4 * s + 3] = v.w;
    }
  } else if constexpr (Shape::kIntegers) {
    const uint4 v = load_shared_128(step + (column * 4 + t) * 16);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      b[4 * s] = __byte_perm(words[s], 0, 0x0000);
      b[4 * s + 1] = __byte_perm(words[s], 0, 0x1111);
      b[4 * s + 2] = __byte_perm(words[s], 0, 0x2222);
      b[4 * s + 3] = __byte_perm(words[s], 0, 0x3333);
    }
  } else {
    const uint4 v = load_shared_128(step + (column * 4 + t) * 32);
    const uint4 w = load_shared_128(step + (column * 4 + t) * 32 + 16);
    const uint32_t words[8] = {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = __byte_perm(words[i], 0, 0x1010);
      b[2 * i + 1] = __byte_perm(words[i], 0, 0x3232);
    }
  }
}

/// Puts a pair of neighbouring activations (inputs 2 s + 8 h and the next of a tile) where
/// load_activations() finds them. bits: two bytes or two halves, the first in the lower part.
template <class Shape>
__device__ __forceinline__ void store_pair(
    char* step, int column, int tile, int s, int h, uint32_t bits
) {
  if constexpr (Shape::kSplat) {
    uint2 splat;
    splat.x = __byte_perm(bits, 0, Shape::kIntegers ? 0x0000 : 0x1010);
    splat.y = __byte_perm(bits, 0, Shape::kIntegers ? 0x1111 : 0x3232);
    *reinterpret_cast<uint2*>(step + (s * Shape::kSums + column) * 64 + tile * 16 + h * 8) = splat;
  } else if constexpr (Shape::kIntegers) {
    *reinterpret_cast<uint16_t*>(step + (column * 4 + tile) * 16 + s * 4 + h * 2) =
        static_cast<uint16_t>(bits);
  } else {
    *reinterpret_cast<uint32_t*>(step + (column * 4 + tile) * 32 + s * 8 + h * 4) = bits;
  }
}

/// The unit of a row, and the factor that its norm leaves for the end. Fetched and reduced apart, by
/// all lanes of a warp: others may be waiting for memory in between.
struct RowUnit {
  static constexpr int kMostBlocks = kMostGemvInputs / 128;
  static constexpr int kParts = kMostBlocks / kWarp;

  __device__ __forceinline__ void fetch(const QuantizedInput& input, int row) {
    const int blocks = static_cast<int>(input.stride) / 128;
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      const int block = i * kWarp + static_cast<int>(threadIdx.x) % kWarp;
      const bool there = block < blocks;
      scales_[i] = there ? __ldcg(input.scales + row * blocks + block) : 0.0f;
      const bool normed = there && input.norm.squares != nullptr;
      squares_[i] = normed ? __ldcg(input.norm.squares + row * blocks + block) : 0.0f;
    }
  }

  /// The unit.
  __device__ __forceinline__ float reduce() const {
    uint32_t largest = 0;
#pragma unroll
    for (float scale : scales_) largest = larger_scale(largest, scale);
    return __uint_as_float(__reduce_max_sync(kAllLanes, largest));
  }

  /// What one unit stands for.
  __device__ __forceinline__ float scale(float unit, const RowNorm& norm) const {
    if (norm.squares == nullptr) return unit;
    float squares = 0.0f;
#pragma unroll
    for (float part : squares_) squares += part;
    squares = warp_sum(squares);
    return unit / sqrtf(squares * norm.inverse_count + norm.epsilon);
  }

 private:
  float scales_[kParts] = {};
  float squares_[kParts] = {};
};

/// Eight activations of a row, inputs 8 i to 8 i + 7.
struct Eight {
  uint4 integers;
  float scale;
};
__device__ __forceinline__ Eight fetch_eight(const QuantizedInput& input, int row, int i) {
  const int stride = static_cast<int>(input.stride);
  const auto* integers = reinterpret_cast<const uint4*>(input.integers + row * input.stride);
  return {__ldcg(integers + i), __ldcg(input.scales + row * (stride / 128) + i / 16)};
}

/// Rounds eight activations in units of the row and stores them. sum, residual_sum: added to.
template <class Shape, int kRows>
__device__ __forceinline__ void store_eight(
    const Eight& eight, char* activations, int row, int i, float unit, int& sum, int& residual_sum
) {
  char* step = activations + i / 8 * Shape::kStepBytes;
  const int tile = i / 2 % 4;
  const int h = i % 2;
  const uint32_t words[4] = {
      eight.integers.x, eight.integers.y, eight.integers.z, eight.integers.w
  };
  // Integers: +-127 units; halves: +-1.
  const float factor = unit > 0.0f ? eight.scale / unit : 0.0f;
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    const float first = static_cast<float>(static_cast<int16_t>(words[s] & 0xFFFFu)) * factor;
    const float second = static_cast<float>(static_cast<int16_t>(words[s] >> 16)) * factor;
    if constexpr (Shape::kIntegers) {
      const float a = first * (127.0f / 32767.0f);
      const float b = second * (127.0f / 32767.0f);
      const int a1 = __float2int_rn(a);
      const int b1 = __float2int_rn(b);
      const int a2 = __float2int_rn((a - static_cast<float>(a1)) * 254.0f);
      const int b2 = __float2int_rn((b - static_cast<float>(b1)) * 254.0f);
      sum += a1 + b1;
      residual_sum += a2 + b2;
      const auto pack = [](int low, int high) {
        return (static_cast<uint32_t>(low) & 0xFFu) | ((static_cast<uint32_t>(high) & 0xFFu) << 8);
      };
      store_pair<Shape>(step, row, tile, s, h, pack(a1, b1));
      store_pair<Shape>(step, kRows + row, tile, s, h, pack(a2, b2));
    } else {
      const __half2 pair = __floats2half2_rn(first * (1.0f / 32767.0f), second * (1.0f / 32767.0f));
      store_pair<Shape>(step, row, tile, s, h, as_bits(pair));
    }
  }
}

}  // namespace trellis::cuda::gemv
