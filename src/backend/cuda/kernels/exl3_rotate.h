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
  Exl3Products products;
  float* y = nullptr;  // [rows, out_features]
  bool add = false;    // to what y holds, instead of overwriting it
};

/// Finishes the outputs of up to kMostMatrices matrices whose products are of one type.
void exl3_rotate_outputs(cudaStream_t stream, std::span<const RotatedOutput> outputs, int64_t rows);

}  // namespace trellis::cuda
