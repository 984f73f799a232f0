// From the residual stream to the input of EXL3 layers: what stands between the product whose
// output is added to the stream and the products that read it, in one launch.
#pragma once

#include "backend/cuda/kernels/exl3_quantize.h"
#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// The longest rows of exl3_norm_stage().
inline constexpr int64_t kMostNormStageNumbers = 8192;

struct NormQuantizeProblem {
  float* x = nullptr;             // [rows, dim]
  const float* addend = nullptr;  // [rows, dim]: added to x before all else; or null
  Exl3Products products;          // or else these outputs are, unless inner is null
  const float* weight = nullptr;  // [dim] of the norm
  float epsilon = 0.0f;           // for exl3_norm_stage()
  int num_matrices = 0;
  const uint16_t* suh[kMostMatrices] = {};
  QuantizedInput out[kMostMatrices];  // of equal strides, each with a norm: exl3_norm_quantize()
  StagedInput staged[kMostMatrices];  // of equal steps: exl3_norm_stage()
  int64_t rows = 0;
  int64_t dim = 0;   // a multiple of 128: the inputs of every matrix
  int row_ctas = 1;  // of exl3_norm_stage(), that share a row: 1 or kSharingCtas
};

/// x += addend; then rounds H(suh * x * weight) into problem.out of every matrix, and leaves there
/// what its norm is made of.
void exl3_norm_quantize(cudaStream_t stream, const NormQuantizeProblem& problem);
/// x += addend; then rounds H(suh * rms_norm(x)) into problem.staged of every matrix.
void exl3_norm_stage(cudaStream_t stream, const NormQuantizeProblem& problem);

}  // namespace trellis::cuda
