// Causal grouped-query attention of more than 64 rows on the tensor cores of sm_90a.
// flash_attention.h has the form for fewer rows, other heads, quantized caches and other GPUs.
#pragma once

#include "backend/cuda/kernels/attention.h"

namespace trellis::cuda {

/// Whether flash_wgmma() can compute this problem. shared_bytes: that a CTA can ask for.
bool flash_wgmma_fits(const AttentionProblem& problem, int64_t shared_bytes);

/// As flash_attention(), with tiles of 128 keys: so a row's bits differ from those that it gives.
void flash_wgmma(cudaStream_t stream, const AttentionProblem& problem);

}  // namespace trellis::cuda
