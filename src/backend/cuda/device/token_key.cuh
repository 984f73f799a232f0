// The order of a row's tokens as unsigned integers, and the loop in which kernels read a row.
#pragma once

#include "backend/cuda/device/reduce.cuh"
#include "backend/token_choice.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Orders numbers of tokens: the larger number first, then the lower id. The larger key is the
/// first; keys of a row differ, and none is kNoToken.
using TokenKey = unsigned long long;
inline constexpr TokenKey kNoToken = 0;

/// number: not NaN.
__device__ __forceinline__ TokenKey token_key(float number, int id) {
  constexpr unsigned kSign = 0x80000000u;
  unsigned bits = __float_as_uint(number);
  if (bits == kSign) bits = 0;  // both zeros are equal
  const unsigned ordered = (bits & kSign) != 0 ? ~bits : bits | kSign;
  return static_cast<TokenKey>(ordered) << 32 | ~static_cast<unsigned>(id);
}
__device__ __forceinline__ int id_of(TokenKey key) {
  return static_cast<int>(~static_cast<unsigned>(key));
}
__device__ __forceinline__ float number_of(TokenKey key) {
  constexpr unsigned kSign = 0x80000000u;
  const auto ordered = static_cast<unsigned>(key >> 32);
  return __uint_as_float((ordered & kSign) != 0 ? ordered & ~kSign : ~ordered);
}

/// The largest key of a CTA of kThreads threads, in every thread. scratch: kThreads / 32 keys of
/// shared memory, free again after the next barrier.
template <int kThreads>
__device__ __forceinline__ TokenKey block_max(TokenKey key, TokenKey* scratch) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const TokenKey other = __shfl_xor_sync(kAllLanes, key, distance);
    key = other > key ? other : key;
  }
  if (threadIdx.x % kWarp == 0) scratch[threadIdx.x / kWarp] = key;
  __syncthreads();
#pragma unroll
  for (int warp = 0; warp < kThreads / kWarp; ++warp) {
    key = scratch[warp] > key ? scratch[warp] : key;
  }
  return key;
}

/// NaN is as impossible as minus infinity.
__device__ __forceinline__ bool is_possible(float number) {
  return number > -INFINITY;
}

/// Calls use(id, number) for the possible tokens among ids [begin, end) of a row, its logits
/// divided by the temperature: shared by the kThreads threads of a CTA, kAtOnce loads of a thread
/// under way.
template <int kThreads, typename Use>
__device__ __forceinline__ void for_each_token(
    const float* row, int begin, int end, const TokenChoice& choice, const Use& use
) {
  constexpr int kAtOnce = 8;
  const float divisor = choice.draws() ? choice.temperature : 1.0f;
  for (int first = begin + static_cast<int>(threadIdx.x); first < end;
       first += kThreads * kAtOnce) {
    float logits[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int id = first + i * kThreads;
      logits[i] = id < end ? row[id] : -INFINITY;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const float number = logits[i] / divisor;
      if (is_possible(number)) use(first + i * kThreads, number);
    }
  }
}

}  // namespace trellis::cuda
