// The product of few rows with EXL3 matrices: the weights stream through the SMs once, whatever the
// number of rows. exl3_gemv.cuh has the kernel.
#pragma once

#include "backend/cuda/device/gemv_shape.h"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Rows that one pass over the weights serves.
inline constexpr int64_t kMostGemvRows = 8;

/// One matrix of a launch.
struct GemvMatrix {
  const uint32_t* words = nullptr;
  QuantizedInput input;
  float* y = nullptr;  // [rows, padded_out], in the rotated basis
  int groups = 0;      // of columns, as in the layout
};

/// Matrices of the same bits, codebook and number of inputs.
struct GemvProblem {
  int num_matrices = 0;
  GemvMatrix matrices[kMostMatrices];
  int bits = 0;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int chunks = 0;  // along the inputs
  int rows = 0;    // 1 to kMostGemvRows
};

/// Whether such a launch fits the shared_limit bytes that a CTA can have.
bool exl3_gemv_fits(
    int bits, exl3::Codebook codebook, int64_t chunks, int64_t rows, int64_t shared_limit
);

/// What a launch needs to know of the device.
struct GemvDevice {
  int num_sms = 0;  // one CTA each
  int64_t shared_limit = 0;
};

/// The problem must fit.
void exl3_gemv(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device);

}  // namespace trellis::cuda
