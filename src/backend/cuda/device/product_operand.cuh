// What the kernels for many rows share at both ends: the operand that a lane decodes from its run
// of a tile, and the way of the sums to memory.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/exl3_window.h"
#include "backend/cuda/kernels/exl3_product.h"

#include <cstdint>

namespace trellis::cuda::product {

/// The A fragment of slab s (0 to 3) of a run: inputs 2 s, 2 s + 1, 2 s + 8 and 2 s + 9 of the
/// lane's tile, of columns g and g + 8. mma.sync and a warp of wgmma take it alike.
template <int kBits, exl3::Codebook kCodebook>
__device__ __forceinline__ void decode_slab(
    uint32_t (&a)[4], const uint32_t (&run)[kBits], uint32_t before, int s
) {
  uint32_t x[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] = mix<kCodebook>(window<kBits>(run, before, 8 * s + i));
  a[0] = weight_pair<kCodebook>(x[0], x[1]);
  a[1] = weight_pair<kCodebook>(x[4], x[5]);
  a[2] = weight_pair<kCodebook>(x[2], x[3]);
  a[3] = weight_pair<kCodebook>(x[6], x[7]);
}

/// Of the columns of all matrices in a row, those of a CTA are of one matrix.
struct CtaColumns {
  int matrix;
  int first;  // of the matrix
};
__device__ __forceinline__ CtaColumns cta_columns(const StagedProduct& problem, int columns) {
  CtaColumns found = {0, static_cast<int>(blockIdx.y) * columns};
  while (found.first >= problem.matrices[found.matrix].columns &&
         found.matrix + 1 < problem.num_matrices) {
    found.first -= problem.matrices[found.matrix++].columns;
  }
  return found;
}

/// Where the sums of a CTA go: rows from `first` on, in numbers of y.
struct SumRows {
  void* y;
  int64_t first;
  int64_t stride;  // columns of the matrix
  int rows;        // of the CTA's tile that exist
};

/// A warp's sums of kRows rows and 16 columns, from `column` on, in fp32. sum(4 j + i): what the
/// lane has of columns g and g + 8 (i / 2) and of rows 8 j + 2 t and the next (i % 2), where it is
/// lane 4 g + t. Eight lanes write 32 bytes of a row.
template <int kRows, typename Sum>
__device__ __forceinline__ void store_floats(const Sum& sum, const SumRows& out, int column) {
  const int lane = thread_index() % kWarp;
  const int lane_row = lane % 4 * 2;
  const int lane_rows = out.rows - lane_row;
  float* y = static_cast<float*>(out.y) + out.first + lane_row * out.stride + column + lane / 4;
#pragma unroll
  for (int j = 0; j < kRows / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      if (8 * j + i >= lane_rows) continue;
      y[i * out.stride] = sum(4 * j + i);
      y[i * out.stride + 8] = sum(4 * j + i + 2);
    }
    y += 8 * out.stride;
    __syncwarp();  // so that the compiler keeps the rows apart, and their registers few
  }
}

/// Where piece `piece` of a row stands in a stage of activations, in bytes (exl3_stage.h). The sums
/// of 64 columns go the same way to memory.
__device__ __forceinline__ uint32_t row_place(int row, int piece) {
  return static_cast<uint32_t>(row * kStageRowBytes + (piece ^ row % kStagePieces) * kPieceBytes);
}

/// From there to memory, in fp16, by the 128 threads whose 64 columns they are. Eight lanes write
/// 128 bytes of a row. column: the first of the 64.
__device__ __forceinline__ void copy_halves(uint32_t stage, const SumRows& out, int column) {
  const int thread = thread_index() % 128;
  const int piece = thread % kStagePieces;
  __half* y = static_cast<__half*>(out.y) + out.first + column + piece * kPieceHalves;
#pragma unroll 4
  for (int row = thread / kStagePieces; row < out.rows; row += 128 / kStagePieces) {
    *reinterpret_cast<uint4*>(y + row * out.stride) =
        load_shared_128(stage + row_place(row, piece));
  }
}

}  // namespace trellis::cuda::product
