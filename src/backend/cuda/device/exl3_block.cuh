// The two ends of an EXL3 layer, a block of 128 numbers to a warp and four to a lane: what comes
// out of a product becomes the layer's output, what goes into one is rotated and rounded. Kernels
// between two layers do one end of each.
#pragma once

#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/kernels/exl3_matrix.h"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_fp16.h>

#include <cstdint>

namespace trellis::cuda {

/// The first number of a block that the calling lane holds.
__device__ __forceinline__ int64_t first_of_lane(int64_t block) {
  return block * kBlock + static_cast<int>(threadIdx.x) % kWarp * kLaneNumbers;
}

/// This lane's four numbers of a block. source: of the row, aligned to 16 bytes.
__device__ __forceinline__ void load_block(
    const float* source, int64_t block, float (&v)[kLaneNumbers]
) {
  const float4 numbers = *reinterpret_cast<const float4*>(source + first_of_lane(block));
  v[0] = numbers.x;
  v[1] = numbers.y;
  v[2] = numbers.z;
  v[3] = numbers.w;
}
__device__ __forceinline__ void store_block(
    const float (&v)[kLaneNumbers], float* destination, int64_t block
) {
  *reinterpret_cast<float4*>(destination + first_of_lane(block)) =
      make_float4(v[0], v[1], v[2], v[3]);
}

/// This lane's four signs and scales of a block, as fp16 bits.
using LaneScales = ushort4;

/// scales: suh or svh, whole blocks. They belong to the layer, so that this may stand in front of
/// dependencies_wait().
__device__ __forceinline__ LaneScales load_scales(const uint16_t* scales, int64_t block) {
  return *reinterpret_cast<const LaneScales*>(scales + first_of_lane(block));
}

__device__ __forceinline__ void multiply_by(LaneScales scales, float (&v)[kLaneNumbers]) {
  v[0] *= __half2float(__ushort_as_half(scales.x));
  v[1] *= __half2float(__ushort_as_half(scales.y));
  v[2] *= __half2float(__ushort_as_half(scales.z));
  v[3] *= __half2float(__ushort_as_half(scales.w));
}

/// This lane's part of a block of a layer's products, but for what other parts of them add.
__device__ __forceinline__ void load_first_part(
    const Exl3Products& products, int64_t row, int64_t block, float (&v)[kLaneNumbers]
) {
  load_block(products.inner + row * products.padded_out, block, v);
}

/// Makes outputs of load_first_part(): v = svh * H(sum of all parts) + bias. svh: from
/// load_scales(). kAtOnce: parts that are on their way together.
template <int kAtOnce = 3>
__device__ __forceinline__ void finish_parts(
    const Exl3Products& products, LaneScales svh, int64_t row, int64_t block,
    float (&v)[kLaneNumbers]
) {
  const float* inner = products.inner + row * products.padded_out;
#pragma unroll 1
  for (int first = 1; first < products.parts; first += kAtOnce) {
    float more[kAtOnce][kLaneNumbers] = {};
#pragma unroll
    for (int p = 0; p < kAtOnce; ++p) {
      const int part = first + p;
      if (part < products.parts) load_block(inner + part * products.part_size, block, more[p]);
    }
#pragma unroll
    for (int p = 0; p < kAtOnce; ++p) {
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) v[i] += more[p][i];
    }
  }
  hadamard_block(v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] *= kHadamardScale;
  multiply_by(svh, v);
  if (products.bias == nullptr) return;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t n = first_of_lane(block) + i;
    if (n < products.out_features) v[i] += products.bias[n];
  }
}

/// Both.
__device__ __forceinline__ void finish_outputs(
    const Exl3Products& products, LaneScales svh, int64_t row, int64_t block,
    float (&v)[kLaneNumbers]
) {
  load_first_part(products, row, block, v);
  finish_parts(products, svh, row, block, v);
}

/// Rounds a block of a layer's input, H(suh * v). suh: from load_scales().
__device__ __forceinline__ void store_input(
    float (&v)[kLaneNumbers], LaneScales suh, const QuantizedInput& out, int64_t row, int64_t block
) {
  multiply_by(suh, v);
  hadamard_block(v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] *= kHadamardScale;
  store_quantized(
      v, out.integers + row * out.stride + block * kBlock,
      out.scales + row * (out.stride / kBlock) + block
  );
}

}  // namespace trellis::cuda
