// Rounds a rotated block of 128 numbers, spread over a warp, to 16 bits; and finds the scale of a
// row of such blocks.
#pragma once

#include "backend/cuda/device/hadamard.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cmath>
#include <cstdint>

namespace trellis::cuda {

inline constexpr float kLargestInteger = 32767.0f;

/// Writes integers[4 * lane ...] and, in lane 0, the scale of the block. A number that is not
/// finite makes the scale NaN, which turns the outputs of its row into NaN instead of noise.
__device__ __forceinline__ void store_quantized(
    const float (&v)[kLaneNumbers], int16_t* integers, float* scale
) {
  float largest = 0.0f;
  float poison = 0.0f;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    largest = fmaxf(largest, fabsf(v[i]));
    poison += v[i] * 0.0f;
  }
  // Magnitudes are in the order of their bits.
  largest = __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(largest)));
  const bool poisoned = __any_sync(kAllLanes, poison != 0.0f) != 0;
  const float inverse = largest > 0.0f ? kLargestInteger / largest : 0.0f;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  short4 rounded;
  rounded.x = static_cast<short>(__float2int_rn(v[0] * inverse));
  rounded.y = static_cast<short>(__float2int_rn(v[1] * inverse));
  rounded.z = static_cast<short>(__float2int_rn(v[2] * inverse));
  rounded.w = static_cast<short>(__float2int_rn(v[3] * inverse));
  reinterpret_cast<short4*>(integers)[lane] = rounded;
  if (lane == 0) *scale = poisoned ? NAN : largest / kLargestInteger;
}

/// The larger of two scales, NaN where one of them is: they are never negative, so it is the one
/// with the larger bits.
__device__ __forceinline__ uint32_t larger_scale(uint32_t a, float scale) {
  return max(a, __float_as_uint(scale));
}

/// What the numbers of a row are divided by, from this lane's part of the sums of their squares:
/// every 32nd block's. In every lane of the calling warp.
__device__ __forceinline__ float root_mean_square(const RowNorm& norm, float squares) {
  return sqrtf(warp_sum(squares) * norm.inverse_count + norm.epsilon);
}

}  // namespace trellis::cuda
