// The input of EXL3 matrices on its way to exl3_wgmma.h: scaled, rotated, and rounded to fp16 in
// units of the row, in the order of exl3_stage.h.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// Inputs of a row that a CTA can hold.
inline constexpr int64_t kMostStageInputs = 32768;
/// CTAs of a cluster that own a row together, where rows are few: they need sm_90.
inline constexpr int kSharingCtas = 4;

/// H(suh * x) of some rows, in device memory: the number of row r and input k is half (r, k) *
/// units[r]. Halves are between -1 and 1; what stands for the rows behind the last in its block of
/// 64 is nobody's.
struct StagedInput {
  uint16_t* halves = nullptr;  // fp16, stage_halves(rows, steps); aligned to 16 bytes
  float* units = nullptr;      // [rows]; NaN for a row with a number that is not finite
  int steps = 0;               // of 64 inputs: whole chunks of the layout, zeros behind the inputs
};

struct StageProblem {
  int num_matrices = 0;
  const uint16_t* suh[kMostMatrices] = {};
  StagedInput out[kMostMatrices];  // of equal steps
  const float* x = nullptr;        // [rows, in_features]
  int64_t rows = 0;
  int64_t in_features = 0;
  int row_ctas = 1;  // that share a row: 1 or kSharingCtas
};

/// Fills problem.out of every matrix.
void exl3_stage_input(cudaStream_t stream, const StageProblem& problem);

}  // namespace trellis::cuda
