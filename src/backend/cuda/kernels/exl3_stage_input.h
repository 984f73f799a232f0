// The rounded inputs of EXL3 matrices as fp16 in the order of exl3_stage.h: what exl3_wgmma.h
// multiplies.
#pragma once

#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// The number of row r and input k is half (r, k) * units[r]; halves are between -1 and 1.
struct StagedInput {
  uint16_t* halves = nullptr;  // fp16, stage_halves(rows, stride / 64); aligned to 16 bytes
  float* units = nullptr;      // [rows]
};

struct StageProblem {
  int num_matrices = 0;
  QuantizedInput in[kMostMatrices];  // of equal strides
  StagedInput out[kMostMatrices];
  int64_t rows = 0;
};

/// Fills problem.out of every matrix, but for the rows behind the last in its block.
void exl3_stage_input(cudaStream_t stream, const StageProblem& problem);

}  // namespace trellis::cuda
