// How kernels append to a side of the cache, whatever its type.
#pragma once

#include "backend/args.h"
#include "backend/cuda/device/element.cuh"
#include "backend/cuda/kernels/kv_rows.h"
#include "exl3/kv_quant.h"

#include <cstdint>

namespace trellis::cuda {

/// The row of a cache where head `head` of `heads` stands for the position at `slot`.
__device__ __forceinline__ int64_t cache_row(int32_t slot, int heads, int head) {
  return (static_cast<int64_t>(slot / kPageTokens) * heads + head) * kPageTokens +
         slot % kPageTokens;
}

/// Quantizes 32 channels into group `group` of the cache, by the functions of exl3/kv_quant.h whose
/// every operation is rounded as on the host, so the bits agree. One thread.
__device__ __forceinline__ void store_group(
    const float* channels, const KvRows& cache, int64_t group
) {
  const exl3::KvCodes codes = exl3::kv_quantize(channels, cache.bits);
  uint32_t words[exl3::kMaxKvBits];
  exl3::kv_pack(codes.codes, cache.bits, words);
  uint32_t* to = static_cast<uint32_t*>(cache.numbers) + group * cache.bits;
  for (int word = 0; word < cache.bits; ++word) to[word] = words[word];
  cache.scales[group] = codes.scale;
}

/// Rounds one number to place `index` of a cache that is not quantized.
__device__ __forceinline__ void store_number(float number, const KvRows& cache, int64_t index) {
  if (cache.bits == 32) {
    static_cast<float*>(cache.numbers)[index] = number;
  } else {
    store_float(static_cast<__half*>(cache.numbers) + index, number);
  }
}

}  // namespace trellis::cuda
