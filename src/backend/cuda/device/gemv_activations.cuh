// The activations of the GEMV kernel on their way from rounded rows to the B operand of the tensor
// cores: fetched into registers, rounded once more in units of the row, and kept in shared memory
// in the order of the fragments.
#pragma once

#include "backend/cuda/device/codebook.cuh"
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
    for (int i = 0; i < 4; ++i) {  // inputs 8 h + 4 (i % 2) and the next three of a tile
      const int s = 2 * (i % 2);
      const int h = i / 2;
      b[4 * s + 2 * h] = __byte_perm(words[i], 0, 0x0000);
      b[4 * s + 2 * h + 1] = __byte_perm(words[i], 0, 0x1111);
      b[4 * s + 2 * h + 4] = __byte_perm(words[i], 0, 0x2222);
      b[4 * s + 2 * h + 5] = __byte_perm(words[i], 0, 0x3333);
    }
  } else {
    const uint4 v = load_shared_128(step + (column * 4 + t) * 32);
    const uint4 w = load_shared_128(step + (column * 4 + t) * 32 + 16);
    const uint32_t words[8] = {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {  // inputs 8 h + 2 s and the next of a tile
      const int first = 4 * (i % 4) + 2 * (i / 4);
      b[first] = __byte_perm(words[i], 0, 0x1010);
      b[first + 1] = __byte_perm(words[i], 0, 0x3232);
    }
  }
}

/// The scales of a row's blocks, its unit, and the factor that its norm leaves for the end. Fetched
/// and reduced apart, by all lanes of one warp of a CTA, which gives them to the others: where
/// every warp of every SM fetched them, the few lines in which they lie were what all waited for.
struct RowUnit {
  static constexpr int kMostBlocks = GemvScales::kMostBlocks;
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

  /// For all warps to read behind a barrier.
  __device__ __forceinline__ void share(GemvScales& shared) const {
    uint32_t largest = 0;
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      largest = larger_scale(largest, scales_[i]);
      shared.blocks[i * kWarp + static_cast<int>(threadIdx.x) % kWarp] = scales_[i];
    }
    const uint32_t unit = __reduce_max_sync(kAllLanes, largest);
    if (threadIdx.x % kWarp == 0) shared.unit = __uint_as_float(unit);
  }

  /// What one unit stands for.
  __device__ __forceinline__ float scale(float unit, const RowNorm& norm) const {
    if (norm.squares == nullptr) return unit;
    float squares = 0.0f;
#pragma unroll
    for (float part : squares_) squares += part;
    return unit / root_mean_square(norm, squares);
  }

 private:
  float scales_[kParts] = {};
  float squares_[kParts] = {};
};

/// Eight activations of a row, inputs 8 i to 8 i + 7.
__device__ __forceinline__ uint4 fetch_eight(const QuantizedInput& input, int row, int i) {
  return __ldcg(reinterpret_cast<const uint4*>(input.integers + row * input.stride) + i);
}

/// Where eight activations of a column of the operand go: inputs 8 h to 8 h + 7 of a tile.
template <class Shape>
__device__ __forceinline__ char* eight_place(char* activations, int column, int i) {
  char* step = activations + i / 8 * Shape::kStepBytes;
  const int tile = i / 2 % 4;
  const int h = i % 2;
  if constexpr (Shape::kSplat) return step + column * 64 + tile * 16 + h * 8;
  return step + (column * 4 + tile) * Shape::kTileBytes + h * (Shape::kTileBytes / 2);
}

/// A row's rounded activations, added up.
struct PlaneSums {
  int high;
  int low;
};

/// Turns eight activations into T = 256 high + low, in units of the row, +-32512 at most, and
/// stores the two planes. factor: 2^16 of these units in one of the eight's.
template <class Shape, int kRows>
__device__ __forceinline__ void store_planes(
    const uint4& integers, int factor, char* activations, int row, int i, PlaneSums& sums
) {
  const uint32_t words[4] = {integers.x, integers.y, integers.z, integers.w};
  // T rounded, in the upper half: its lower byte is the low plane, with a sign; what that leaves is
  // the upper byte after 128 have been added.
  uint32_t fixed[8];
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const auto x = static_cast<int16_t>(words[j / 2] >> (16 * (j % 2)));
    fixed[j] = static_cast<uint32_t>(x * factor + 0x8000);
  }
  constexpr uint32_t kHighRound = 0x800000;
  if constexpr (Shape::kSplat) {
    // The planes of a step stand side by side in the banks, and those of the next step in the same
    // ones: every other step stores them in the other order.
    const bool low_first = i / 8 % 2 != 0;
    int plane_sums[2] = {};
#pragma unroll
    for (int turn = 0; turn < 2; ++turn) {
      const bool low = (turn == 0) == low_first;
      const uint32_t round = low ? 0 : kHighRound;
      const uint32_t selector = low ? 0x2222 : 0x3333;
      char* place = eight_place<Shape>(activations, low ? kRows + row : row, i);
#pragma unroll
      for (int s = 0; s < 4; ++s) {
        const uint2 splat = {
            __byte_perm(fixed[2 * s] + round, 0, selector),
            __byte_perm(fixed[2 * s + 1] + round, 0, selector)
        };
        plane_sums[turn] = __dp4a(static_cast<int>(splat.x), 1, plane_sums[turn]);
        plane_sums[turn] = __dp4a(static_cast<int>(splat.y), 1, plane_sums[turn]);
        *reinterpret_cast<uint2*>(place + s * Shape::kSums * 64) = splat;
      }
    }
    sums.high += low_first ? plane_sums[1] : plane_sums[0];
    sums.low += low_first ? plane_sums[0] : plane_sums[1];
  } else {
    const auto pack = [](const uint32_t* x, uint32_t round, uint32_t selector) {
      const uint32_t first = __byte_perm(x[0] + round, x[1] + round, selector);
      return __byte_perm(first, __byte_perm(x[2] + round, x[3] + round, selector), 0x5410);
    };
    const auto store = [&](int column, uint32_t round, uint32_t selector, int& sum) {
      const uint2 packed = {pack(fixed, round, selector), pack(fixed + 4, round, selector)};
      sum = __dp4a(static_cast<int>(packed.x), 0x01010101, sum);
      sum = __dp4a(static_cast<int>(packed.y), 0x01010101, sum);
      *reinterpret_cast<uint2*>(eight_place<Shape>(activations, column, i)) = packed;
    };
    store(row, kHighRound, 0x0073, sums.high);
    store(kRows + row, 0, 0x0062, sums.low);
  }
}

/// Stores eight activations as halves, +-1 at most. factor: of that in one of the eight's units.
template <class Shape>
__device__ __forceinline__ void store_halves(
    const uint4& integers, float factor, char* activations, int row, int i
) {
  const uint32_t words[4] = {integers.x, integers.y, integers.z, integers.w};
  char* place = eight_place<Shape>(activations, row, i);
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    const float first = static_cast<float>(static_cast<int16_t>(words[s] & 0xFFFFu)) * factor;
    const float second = static_cast<float>(static_cast<int16_t>(words[s] >> 16)) * factor;
    const uint32_t pair = as_bits(__floats2half2_rn(first, second));
    if constexpr (Shape::kSplat) {
      const uint2 splat = {__byte_perm(pair, 0, 0x1010), __byte_perm(pair, 0, 0x3232)};
      *reinterpret_cast<uint2*>(place + s * Shape::kSums * 64) = splat;
    } else {
      *reinterpret_cast<uint32_t*>(place + s * 4) = pair;
    }
  }
}

/// factor: of the operand's units in one of the eight's. sums: added to.
template <class Shape, int kRows>
__device__ __forceinline__ void store_eight(
    const uint4& integers, char* activations, int row, int i, float factor, PlaneSums& sums
) {
  if constexpr (Shape::kIntegers) {
    const int fixed = __float2int_rn(factor * 65536.0f);
    store_planes<Shape, kRows>(integers, fixed, activations, row, i, sums);
  } else {
    store_halves<Shape>(integers, factor, activations, row, i);
  }
}

}  // namespace trellis::cuda::gemv
