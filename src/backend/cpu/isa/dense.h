// y = W x + bias with fp32, fp16 or bf16 weights, for one instruction set. Each output is summed
// over lanes of the inputs in one order, whatever the number of rows; tiles of 4 outputs by a few
// rows share their loads.
#pragma once

#include "backend/cpu/kernels.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

constexpr int kDenseOutputs = 4;

template <DenseType kType>
inline Floats load_weights(const void* row, int64_t i) {
  if constexpr (kType == DenseType::kFloat32) {
    return load(static_cast<const float*>(row) + i);
  } else if constexpr (kType == DenseType::kFloat16) {
    return load_half(static_cast<const uint16_t*>(row) + i);
  } else {
    return load_bfloat16(static_cast<const uint16_t*>(row) + i);
  }
}

template <DenseType kType>
inline const void* weight_row(const DenseMatrix& matrix, int64_t output) {
  const int64_t bytes = kType == DenseType::kFloat32 ? 4 : 2;
  return static_cast<const char*>(matrix.weights) + output * matrix.stride * bytes;
}

template <DenseType kType, int kRows, int kOutputs>
inline void dense_tile(
    const DenseMatrix& matrix, int64_t output, const float* x, int64_t x_stride, float* y,
    int64_t y_stride
) {
  Floats totals[kRows][kOutputs];
  const void* weights[kOutputs];
  for (int o = 0; o < kOutputs; ++o) {
    weights[o] = weight_row<kType>(matrix, output + o);
    for (int r = 0; r < kRows; ++r) totals[r][o] = fill(0.0f);
  }
  for (int64_t i = 0; i < matrix.stride; i += kLanes) {
    Floats part[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) part[r] = load(x + r * x_stride + i);
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) {
      const Floats w = load_weights<kType>(weights[o], i);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) totals[r][o] = fma(w, part[r], totals[r][o]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOutputs; ++o) {
      const float bias = matrix.bias != nullptr ? matrix.bias[output + o] : 0.0f;
      y[r * y_stride + o] = sum(totals[r][o]) + bias;
    }
  }
}

template <DenseType kType, int kOutputs>
inline void dense_rows(
    const DenseMatrix& matrix, int64_t output, const float* x, int64_t x_stride, int64_t rows,
    float* y, int64_t y_stride
) {
  int64_t r = 0;
  for (; r + kDenseRows <= rows; r += kDenseRows) {
    dense_tile<kType, kDenseRows, kOutputs>(
        matrix, output, x + r * x_stride, x_stride, y + r * y_stride, y_stride
    );
  }
  for (; r < rows; ++r) {
    dense_tile<kType, 1, kOutputs>(
        matrix, output, x + r * x_stride, x_stride, y + r * y_stride, y_stride
    );
  }
}

template <DenseType kType>
inline void dense_typed(
    const DenseMatrix& matrix, int64_t begin, int64_t end, const float* x, int64_t x_stride,
    int64_t rows, float* y, int64_t y_stride
) {
  int64_t output = begin;
  for (; output + kDenseOutputs <= end; output += kDenseOutputs) {
    dense_rows<kType, kDenseOutputs>(matrix, output, x, x_stride, rows, y + output, y_stride);
  }
  for (; output < end; ++output)
    dense_rows<kType, 1>(matrix, output, x, x_stride, rows, y + output, y_stride);
}

void dense(
    const DenseMatrix& matrix, int64_t begin, int64_t end, const float* x, int64_t x_stride,
    int64_t rows, float* y, int64_t y_stride
) {
  switch (matrix.type) {
    case DenseType::kFloat32:
      return dense_typed<DenseType::kFloat32>(matrix, begin, end, x, x_stride, rows, y, y_stride);
    case DenseType::kFloat16:
      return dense_typed<DenseType::kFloat16>(matrix, begin, end, x, x_stride, rows, y, y_stride);
    case DenseType::kBFloat16:
      return dense_typed<DenseType::kBFloat16>(matrix, begin, end, x, x_stride, rows, y, y_stride);
  }
}

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
