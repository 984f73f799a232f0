// The rotary embedding.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Turns pairs (i, i + half) of every head of x in place by position * inverse_frequency[i].
/// x: [rows, heads * head_dim], positions: [rows], inverse_frequency: [half].
void rope(
    cudaStream_t stream, float* x, const int32_t* positions, const float* inverse_frequency,
    float factor, int64_t rows, int heads, int head_dim, int half
);

}  // namespace trellis::cuda
