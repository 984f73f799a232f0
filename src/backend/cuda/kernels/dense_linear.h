// y = W x + bias for dense weights.
#pragma once

#include "backend/cuda/kernels/float_type.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Rows of a packed dense weight are padded with zeros to a multiple of this many numbers.
inline constexpr int64_t kDenseAlign = 8;

struct DenseProblem {
  const void* weight = nullptr;  // [out, stride], zeros behind `in` numbers
  FloatType type = FloatType::kFloat32;
  const float* bias = nullptr;  // [out] or null
  const float* x = nullptr;     // [rows, in]
  float* y = nullptr;           // [rows, out], y_stride apart
  int64_t rows = 0;
  int64_t in = 0;
  int64_t out = 0;
  int64_t stride = 0;    // of the weight, a multiple of kDenseAlign
  int64_t y_stride = 0;  // from row to row of y
};

void dense_linear(cudaStream_t stream, const DenseProblem& problem);

}  // namespace trellis::cuda
