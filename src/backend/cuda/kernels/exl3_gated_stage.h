// From the products of gate and up to the staged input of down: what stands between the two
// products of a feed-forward layer with many rows, in one launch.
#pragma once

#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// gate, up and down agree on the numbers between them: whole blocks. The products of gate and up
/// are of one type.
struct GatedStageProblem {
  Exl3Products gate;
  Exl3Products up;
  const uint16_t* suh = nullptr;  // of down
  StagedInput out;
  int64_t rows = 0;
};

/// Rounds H(suh * silu(gate) * up) into problem.out.
void exl3_gated_stage(cudaStream_t stream, const GatedStageProblem& problem);

}  // namespace trellis::cuda
