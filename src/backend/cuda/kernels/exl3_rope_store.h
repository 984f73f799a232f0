// From the products of the query, key and value layers to what attention reads: what stands between
// a GEMV and attention, in one launch.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"
#include "backend/cuda/kernels/kv_rows.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Numbers of a row that a CTA can hold.
inline constexpr int kMostRopeStoreNumbers = 512;

/// The products are of one type, the outputs of the layers whole blocks, heads of a size that
/// can_rope_store().
struct RopeStoreProblem {
  Exl3Products queries;
  Exl3Products keys;
  Exl3Products values;
  float* rotated = nullptr;  // [rows, heads * head_dim]: the queries
  KvRows key_cache;          // where keys and values go
  KvRows value_cache;
  const float* query_norm = nullptr;  // [head_dim] or null
  const float* key_norm = nullptr;
  float epsilon = 0.0f;
  const int32_t* positions = nullptr;        // [rows]
  const int32_t* slots = nullptr;            // [rows] of the cache
  const float* inverse_frequency = nullptr;  // [half]
  float factor = 1.0f;                       // of cosines and sines
  int half = 0;
  int64_t rows = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int numbers = 0;  // of a row, that a CTA holds: whole heads of one layer, and whole blocks
};

/// Whether heads divide blocks, or the other way round.
bool can_rope_store(int head_dim);

/// Finishes the three layers' outputs; normalises heads where there is a norm, rotates queries and
/// keys by position, and appends keys and values to the cache.
void exl3_rope_store(cudaStream_t stream, const RopeStoreProblem& problem);

}  // namespace trellis::cuda
