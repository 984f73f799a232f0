// The nonlinearity of the feed-forward layer.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

namespace trellis::cuda {

/// x / (1 + exp(-x)).
__device__ __forceinline__ float silu(float x) {
  return x / (1.0f + expf(-x));
}

}  // namespace trellis::cuda
