// The input of an EXL3 matrix on its way to the integer product: scaled, rotated, and rounded to 16
// bits with a scale for each block.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// The root mean square that a row is still to be divided by.
struct RowNorm {
  float* squares =
      nullptr;  // [rows, stride / 128]: sums of each block; null where there is no norm
  float inverse_count = 0.0f;
  float epsilon = 0.0f;
};

/// H(suh * x) of some rows, in device memory. The number `integers[i] * scales[i / 128]`, divided
/// by the square root of mean(squares) + epsilon where there is a norm: one factor of the whole
/// row, which waits for the product, so that its blocks need not wait for each other.
struct QuantizedInput {
  int16_t* integers = nullptr;  // [rows, stride]; zeros behind the matrix's inputs
  float* scales = nullptr;      // [rows, stride / 128]
  int64_t stride = 0;           // a multiple of 128 and of the layout's chunks
  RowNorm norm;

  /// The rows from `row` on.
  QuantizedInput from(int64_t row) const {
    QuantizedInput rest = *this;
    rest.integers += row * stride;
    rest.scales += row * (stride / 128);
    if (norm.squares != nullptr) rest.norm.squares += row * (stride / 128);
    return rest;
  }
};

/// Numbers of a row of QuantizedInput.
inline int64_t quantized_stride(const Exl3Matrix& matrix) {
  const int64_t inputs = matrix.layout.chunks() * matrix.layout.chunk_inputs();
  return (inputs + 127) / 128 * 128;
}

struct QuantizeProblem {
  int num_matrices = 0;
  const uint16_t* suh[kMostMatrices] = {};
  QuantizedInput out[kMostMatrices];
  const float* x = nullptr;  // [rows, in_features]
  int64_t rows = 0;
  int64_t in_features = 0;
};

/// Fills problem.out of every matrix. A row with a number that is not finite gets scales of NaN.
void exl3_quantize_input(cudaStream_t stream, const QuantizeProblem& problem);

}  // namespace trellis::cuda
