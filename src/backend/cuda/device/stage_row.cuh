// A row of an EXL3 layer's input as fp16 in the order of exl3_stage.h. A CTA owns the row: each of
// its warps holds every n-th block of 128 numbers, four to a lane.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_fp16.h>

#include <cstdint>

namespace trellis::cuda {

inline constexpr int kMostRowWarps = 32;

/// Stores a block of a row, times inverse. Pairs of lanes that hold neighbouring tiles of the
/// inputs exchange halves of theirs, so that each has 8 bytes of one piece.
__device__ __forceinline__ void store_staged(
    const float (&v)[kLaneNumbers], float inverse, const StagedInput& out, int64_t row, int block
) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int tile = lane / 4 % 4;
  const int quarter = lane % 4;
  const uint32_t low = as_bits(__floats2half2_rn(v[0] * inverse, v[1] * inverse));
  const uint32_t high = as_bits(__floats2half2_rn(v[2] * inverse, v[3] * inverse));
  const bool odd = tile % 2 != 0;
  const uint32_t other = __shfl_xor_sync(kAllLanes, odd ? low : high, 4);
  // Inputs 4 q and the next of a tile stand in piece 4 (q % 2) + q / 2, those behind two further.
  const int piece = 4 * (quarter % 2) + quarter / 2 + (odd ? 2 : 0);
  const int64_t place = stage_place(row, block * 2 + lane / 16, piece, out.steps);
  uint2 halves;
  halves.x = odd ? other : low;
  halves.y = odd ? high : other;
  *reinterpret_cast<uint2*>(out.halves + place * kPieceHalves + tile / 2 * 4) = halves;
}

/// This lane's scales of its warp's blocks of a row.
template <int kWarpBlocks>
__device__ __forceinline__ void load_row_scales(
    const uint16_t* scales, int64_t blocks, LaneScales (&of_warp)[kWarpBlocks]
) {
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warp + b * warps;
    of_warp[b] = block < blocks ? load_scales(scales, block) : LaneScales();
  }
}

/// Rounds and stores H(suh * v). suh: of the warp's blocks, of which there are so many in the row;
/// v: zeros behind them. scratch:
/// kMostRowWarps floats of shared memory, not those of the last call; every thread of the CTA has
/// to come.
template <int kWarpBlocks>
__device__ __forceinline__ void stage_row(
    float (&v)[kWarpBlocks][kLaneNumbers], const LaneScales (&suh)[kWarpBlocks], int64_t blocks,
    const StagedInput& out, int64_t row, float* scratch
) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float largest = 0.0f;
  float poison = 0.0f;  // NaN if a number is not finite: then so are the outputs of the row
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warp + b * warps;
    if (block >= blocks) continue;
    multiply_by(suh[b], v[b]);
    hadamard_block(v[b]);
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) {
      v[b][i] *= kHadamardScale;
      largest = fmaxf(largest, fabsf(v[b][i]));
      poison += v[b][i] * 0.0f;
    }
  }
  largest = warp_max(largest) + warp_sum(poison);
  if (lane == 0) scratch[warp] = largest;
  __syncthreads();
  const float of_warp = lane < warps ? scratch[lane] : 0.0f;
  const float unit = warp_max(of_warp) + warp_sum(of_warp * 0.0f);
  if (threadIdx.x == 0) out.units[row] = unit;
  const float inverse = unit > 0.0f ? 1.0f / unit : 0.0f;
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warp + b * warps;
    if (block < out.steps / 2) store_staged(v[b], inverse, out, row, block);
  }
}

/// Calls fn.operator()<kWarpBlocks>(warps) for a CTA that holds so many blocks, at most
/// kMostStageInputs / 128.
template <typename Function>
void for_row_blocks(int64_t blocks, Function fn) {
  const auto warps = [&](int64_t of_warp) {
    return static_cast<unsigned>((blocks + of_warp - 1) / of_warp);
  };
  static_assert(kMostStageInputs == int64_t{8} * kMostRowWarps * kBlock, "a CTA holds a row");
  if (warps(4) <= kMostRowWarps) return fn.template operator()<4>(warps(4));
  fn.template operator()<8>(warps(8));
}

}  // namespace trellis::cuda
