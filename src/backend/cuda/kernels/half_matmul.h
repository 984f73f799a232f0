// The product of many rows with fp16 weights on the tensor cores.
#pragma once

#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Outputs come in tiles of this many.
inline constexpr int64_t kMatmulColumns = 128;

/// y[r, n] = units[r] * sum_k a[r, k] w[n, k], summed in fp32.
struct HalfMatmulProblem {
  const uint16_t* a = nullptr;       // [rows, in] fp16
  const float* units = nullptr;      // [rows]
  const uint16_t* weight = nullptr;  // [out, in] fp16
  float* y = nullptr;                // rows of out numbers, y_stride apart
  int64_t rows = 0;
  int64_t in = 0;   // a multiple of 64
  int64_t out = 0;  // a multiple of kMatmulColumns
  int64_t y_stride = 0;
};

void half_matmul(cudaStream_t stream, const HalfMatmulProblem& problem);

/// a[r, :] * units[r] = the rounded input; a as fp16 between -1 and 1. in: numbers of a row of a.
void halves_of_quantized(
    cudaStream_t stream, const QuantizedInput& input, uint16_t* a, float* units, int64_t rows,
    int64_t in
);

}  // namespace trellis::cuda
