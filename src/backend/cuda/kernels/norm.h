// RMSNorm, alone or behind the addition to the residual stream.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// y = x / sqrt(mean(x^2) + epsilon) * weight, row by row; y may alias x. x, y: [rows, dim].
void rms_norm(
    cudaStream_t stream, const float* x, const float* weight, float epsilon, float* y, int64_t rows,
    int64_t dim
);

/// x += addend, then out = rms_norm(x).
void add_rms_norm(
    cudaStream_t stream, float* x, const float* addend, const float* weight, float epsilon,
    float* out, int64_t rows, int64_t dim
);

}  // namespace trellis::cuda
