// The product of many rows with EXL3 matrices on the tensor cores: the trellis is decoded straight
// into their operand. exl3_wgmma.cuh has the kernel for sm_90a, exl3_mma.cuh that for all others.
#pragma once

#include "backend/cuda/kernels/exl3_stage_input.h"
#include "backend/cuda/product_tile.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::cuda {

/// One matrix of a launch.
struct StagedMatrix {
  const uint32_t* words = nullptr;
  StagedInput input;
  void* y = nullptr;  // [segments, rows, columns]: sums in the rotated basis, in units of the row
  int columns = 0;    // padded outputs, a multiple of 128
};

/// Matrices of the same bits, codebook and number of inputs.
struct StagedProduct {
  int num_matrices = 0;
  StagedMatrix matrices[kMostMatrices];
  int bits = 0;
  exl3::Codebook codebook = exl3::Codebook::kMul1;
  int chunks = 0;                        // along the inputs
  ProductSegments segments;              // of them
  FloatType sums = FloatType::kFloat32;  // what y holds, or fp16; that alone in tiles of many rows
  int64_t rows = 0;
};

/// tile: of a kernel that the device has.
void exl3_product(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile);

}  // namespace trellis::cuda
