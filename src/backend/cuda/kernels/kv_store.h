// The append of keys and values to the paged cache.
#pragma once

#include "backend/cuda/kernels/kv_rows.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Stores rows of keys or values, [rows, heads * head_dim] fp32, at slots [rows] of a cache.
void kv_store(
    cudaStream_t stream, const float* source, const int32_t* slots, const KvRows& cache,
    int64_t rows, int heads, int head_dim
);

}  // namespace trellis::cuda
