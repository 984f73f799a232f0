// The second half of attention of few rows: what its spans left becomes the outputs.
#pragma once

#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/attention_spans.h"

namespace trellis::cuda {

/// Merges the spans of the rows [first_row, first_row + rows) of the problem, into its output, or,
/// where there is a reader, into that one's input.
void merge_spans(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts,
    const AttentionReader* reader, int64_t first_row, int64_t rows
);

}  // namespace trellis::cuda
