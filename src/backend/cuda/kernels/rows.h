// Ops that treat every number or row by itself: lookups, sums, the gated activation.
// All pointers are device memory; see backend/ops.h for what each op means.
#pragma once

#include "backend/cuda/kernels/float_type.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// out[t] = table[ids[t]]. table: [vocab, hidden], out: [tokens, hidden].
void embed(
    cudaStream_t stream, const int32_t* ids, const void* table, FloatType type, float* out,
    int64_t tokens, int64_t hidden
);

/// out[i] = x[rows[i]]. x: rows of dim numbers, out: [count, dim].
void gather_rows(
    cudaStream_t stream, const float* x, const int32_t* rows, float* out, int64_t count, int64_t dim
);

/// ids[t] = max(chosen[rows[t]], 0) where rows[t] is not negative. ids, rows: [tokens].
void take_chosen(
    cudaStream_t stream, const int32_t* chosen, const int32_t* rows, int32_t* ids, int64_t tokens
);

/// x += y, count numbers.
void add(cudaStream_t stream, float* x, const float* y, int64_t count);

/// out = silu(gate) * up, count numbers; out may alias gate or up.
void silu_multiply(
    cudaStream_t stream, const float* gate, const float* up, float* out, int64_t count
);

}  // namespace trellis::cuda
