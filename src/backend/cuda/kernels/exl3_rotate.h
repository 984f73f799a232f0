// The two rotations around the product with an EXL3 matrix, each as a step of its own.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <span>

namespace trellis::cuda {

/// out = H(suh * x), rows of padded_in fp32. x: [rows, in_features].
void exl3_rotate_input(
    cudaStream_t stream, const Exl3Matrix& matrix, const float* x, float* out, int64_t rows
);

/// One matrix's products on their way out.
struct RotatedOutput {
  const uint16_t* svh = nullptr;
  const float* bias = nullptr;   // or null
  const float* inner = nullptr;  // [rows, padded_out]
  float* y = nullptr;            // [rows, out_features]
  int64_t padded_out = 0;
  int64_t out_features = 0;
};

inline RotatedOutput rotated_output(const Exl3Matrix& matrix, const float* inner, float* y) {
  return {matrix.svh, matrix.bias, inner, y, matrix.padded_out(), matrix.out_features};
}

/// y = svh * H(inner) + bias for up to kMostMatrices matrices.
void exl3_rotate_outputs(cudaStream_t stream, std::span<const RotatedOutput> outputs, int64_t rows);

}  // namespace trellis::cuda
