// The 128-point Walsh-Hadamard transform of a block, over one warp.
#pragma once

#include "backend/cuda/device/reduce.cuh"
#include "exl3/hadamard.h"

namespace trellis::cuda {

inline constexpr int kBlock = exl3::kHadamardBlock;
/// Numbers of a block that a lane holds.
inline constexpr int kLaneNumbers = kBlock / kWarp;
using exl3::kHadamardScale;

/// Transforms a block in place, without its scale. Lane l holds numbers 4 l to 4 l + 3. With fewer
/// lanes than a warp, each run of 4 kLanes numbers by itself.
template <int kLanes = kWarp>
__device__ __forceinline__ void hadamard_block(float (&v)[kLaneNumbers]) {
  const float a = v[0] + v[1];
  const float b = v[0] - v[1];
  const float c = v[2] + v[3];
  const float d = v[2] - v[3];
  v[0] = a + c;
  v[1] = b + d;
  v[2] = a - c;
  v[3] = b - d;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
    const float sign = (lane & distance) != 0 ? -1.0f : 1.0f;
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) {
      v[i] = fmaf(sign, v[i], __shfl_xor_sync(kAllLanes, v[i], distance));
    }
  }
}

}  // namespace trellis::cuda
