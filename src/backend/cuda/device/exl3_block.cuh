// The two ends of an EXL3 layer, a block of 128 numbers to a warp and four to a lane: what comes
// out of a product becomes the layer's output, what goes into one is rotated and rounded. Kernels
// between two layers do one end of each.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/kernels/exl3_matrix.h"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace trellis::cuda {

/// The first number of a block that the calling lane holds.
__device__ __forceinline__ int64_t first_of_lane(int64_t block) {
  return block * kBlock + static_cast<int>(threadIdx.x) % kWarp * kLaneNumbers;
}

/// A lane's four numbers of a block as memory holds them, in Number: float or __half. Kernels widen
/// them when all that they need is on its way: a branch between two loads would wait for the first.
template <typename Number>
using LaneWords = std::conditional_t<std::is_same_v<Number, float>, float4, uint2>;

/// source: of the row, aligned to a lane's words.
template <typename Number>
__device__ __forceinline__ LaneWords<Number> load_words(const Number* source, int64_t block) {
  return *reinterpret_cast<const LaneWords<Number>*>(source + first_of_lane(block));
}

__device__ __forceinline__ void widen(const float4& words, float (&v)[kLaneNumbers]) {
  v[0] = words.x;
  v[1] = words.y;
  v[2] = words.z;
  v[3] = words.w;
}
__device__ __forceinline__ void widen(const uint2& words, float (&v)[kLaneNumbers]) {
  const float2 low = __half22float2(as_half2(words.x));
  const float2 high = __half22float2(as_half2(words.y));
  v[0] = low.x;
  v[1] = low.y;
  v[2] = high.x;
  v[3] = high.y;
}

/// This lane's four numbers of a block. source: of the row, aligned to 16 bytes.
__device__ __forceinline__ void load_block(
    const float* source, int64_t block, float (&v)[kLaneNumbers]
) {
  widen(load_words(source, block), v);
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

/// This lane's part of a block of a layer's products, but for what parts behind the first kParts of
/// them add. Number: as products.type says.
template <typename Number, int kParts = 1>
struct FirstParts {
  LaneWords<Number> words[kParts] = {};
};

template <typename Number>
__device__ __forceinline__ LaneWords<Number> load_part(
    const Exl3Products& products, int part, int64_t row, int64_t block
) {
  const auto* inner = static_cast<const Number*>(products.inner);
  return load_words(inner + part * products.part_size + row * products.padded_out, block);
}

template <typename Number, int kParts = 1>
__device__ __forceinline__ FirstParts<Number, kParts> load_first_parts(
    const Exl3Products& products, int64_t row, int64_t block
) {
  FirstParts<Number, kParts> first;
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    if (p < products.parts) first.words[p] = load_part<Number>(products, p, row, block);
  }
  return first;
}

/// What the parts of a row are in units of.
template <typename Number>
__device__ __forceinline__ float load_unit(const Exl3Products& products, int64_t row) {
  if constexpr (std::is_same_v<Number, float>) {
    if (products.units == nullptr) return 1.0f;
  }
  return products.units[row];
}

/// v = svh * H(unit * sum of all parts) + bias. first: from load_first_parts(); unit: from
/// load_unit(); svh: from load_scales(). kAtOnce: further parts that are on their way together.
template <int kAtOnce = 3, typename Number, int kParts>
__device__ __forceinline__ void finish_parts(
    const Exl3Products& products, const FirstParts<Number, kParts>& first, float unit,
    LaneScales svh, int64_t row, int64_t block, float (&v)[kLaneNumbers]
) {
  const auto add = [&](const LaneWords<Number>& words) {
    float more[kLaneNumbers];
    widen(words, more);
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) v[i] += more[i];
  };
  widen(first.words[0], v);
#pragma unroll
  for (int p = 1; p < kParts; ++p) add(first.words[p]);
#pragma unroll 1
  for (int next = kParts; next < products.parts; next += kAtOnce) {
    LaneWords<Number> more[kAtOnce] = {};
#pragma unroll
    for (int p = 0; p < kAtOnce; ++p) {
      if (next + p < products.parts) more[p] = load_part<Number>(products, next + p, row, block);
    }
#pragma unroll
    for (int p = 0; p < kAtOnce; ++p) add(more[p]);
  }
  hadamard_block(v);
  const float scale = kHadamardScale * unit;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] *= scale;
  multiply_by(svh, v);
  if (products.bias == nullptr) return;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t n = first_of_lane(block) + i;
    if (n < products.out_features) v[i] += products.bias[n];
  }
}

/// All of it.
template <typename Number>
__device__ __forceinline__ void finish_outputs(
    const Exl3Products& products, LaneScales svh, int64_t row, int64_t block,
    float (&v)[kLaneNumbers]
) {
  const auto first = load_first_parts<Number>(products, row, block);
  finish_parts(products, first, load_unit<Number>(products, row), svh, row, block, v);
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
