// From the products of gate and up to the input of down: what stands between the two GEMVs of a
// feed-forward layer, in one launch.
#pragma once

#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// gate, up and down agree on the numbers between them: whole blocks.
struct GatedQuantizeProblem {
  Exl3Products gate;
  Exl3Products up;
  const uint16_t* suh = nullptr;  // of down
  QuantizedInput out;
  int64_t rows = 0;
};

/// Rounds H(suh * silu(gate) * up) into problem.out.
void exl3_gated_quantize(cudaStream_t stream, const GatedQuantizeProblem& problem);

}  // namespace trellis::cuda
