// The two rotations around the product with an EXL3 matrix, each as a step of its own.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// out = H(suh * x), rows of padded_in fp32. x: [rows, in_features].
void exl3_rotate_input(
    cudaStream_t stream, const Exl3Matrix& matrix, const float* x, float* out, int64_t rows
);

/// y = svh * H(inner) + bias. inner: [rows, padded_out]; y: [rows, out_features].
void exl3_rotate_output(
    cudaStream_t stream, const Exl3Matrix& matrix, const float* inner, float* y, int64_t rows
);

}  // namespace trellis::cuda
