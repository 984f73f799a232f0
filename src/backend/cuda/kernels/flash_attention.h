// Causal grouped-query attention of many rows on the tensor cores. It rounds queries and weights to
// fp16; attention.h has the exact form, for every shape and type of cache.
#pragma once

#include "backend/cuda/kernels/attention.h"

namespace trellis::cuda {

/// Whether flash_attention() can compute this problem. shared_bytes: that a CTA can ask for.
bool flash_attention_fits(const AttentionProblem& problem, int64_t shared_bytes);

/// Rows of one sequence must stand at consecutive positions. A row's bits depend on its own
/// position alone, not on the rows beside it.
void flash_attention(cudaStream_t stream, const AttentionProblem& problem);

}  // namespace trellis::cuda
