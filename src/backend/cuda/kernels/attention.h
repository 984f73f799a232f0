// Causal grouped-query attention over the paged cache.
#pragma once

#include "backend/cuda/kernels/exl3_quantize.h"
#include "backend/cuda/kernels/kv_rows.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace trellis::cuda {

/// The largest heads that there are kernels for.
inline constexpr int kMostHeadDim = 256;

/// What AttentionArgs and DeviceStep of backend/args.h say, as plain pointers.
struct AttentionProblem {
  const float* queries = nullptr;  // [rows, heads, head_dim]
  KvRows keys;
  KvRows values;
  float* output = nullptr;  // [rows, heads, head_dim]
  const int32_t* positions = nullptr;
  const int32_t* row_begin = nullptr;
  const int32_t* page_table = nullptr;
  int64_t rows = 0;
  int num_sequences = 0;
  int max_pages = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int window = 0;
  int max_kv_length = 0;  // no row sees more positions
  float scale = 1.0f;
  bool is_exact = false;  // no product may be rounded
};

/// Bytes of scratch memory that attention() needs for this problem.
size_t attention_scratch_bytes(const AttentionProblem& problem);

/// For any shape and type, to fp32's precision. positions, row_begin, page_table, and the keys and
/// values of earlier steps are read before the kernels in front have ended: those must not write
/// them. scratch: attention_scratch_bytes(problem), aligned to 16.
void attention(cudaStream_t stream, const AttentionProblem& problem, void* scratch);

/// An EXL3 layer that reads what attention computes.
struct AttentionReader {
  const uint16_t* suh = nullptr;
  QuantizedInput input;
};

/// attention(), then exl3_quantize_input() of its outputs for a layer of heads * head_dim inputs,
/// whole blocks. problem.output is not written.
void attention_quantize(
    cudaStream_t stream, const AttentionProblem& problem, void* scratch,
    const AttentionReader& reader
);

}  // namespace trellis::cuda
