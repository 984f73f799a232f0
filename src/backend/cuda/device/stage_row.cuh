// A row of an EXL3 layer's input as fp16 in the order of exl3_stage.h. A CTA owns the row, or with
// few rows the CTAs of a cluster do: each of their warps holds every n-th block of 128 numbers,
// four to a lane.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_fp16.h>

#include <cstdint>

namespace trellis::cuda {

/// Warps of a CTA, at most.
inline constexpr int kMostRowWarps = 32;

/// The warps that own a row: those of one CTA, or of kCtas that are neighbours along x. Numbers
/// that each of them has to say come to all through shared memory.
template <int kCtas>
struct RowWarps {
  static constexpr int kMost = kCtas * kMostRowWarps;

  int count = kCtas * static_cast<int>(blockDim.x) / kWarp;
  int index = static_cast<int>(blockIdx.x) % kCtas * count / kCtas + warp_index();

  __device__ __forceinline__ static int64_t row() { return blockIdx.x / kCtas; }
  __device__ __forceinline__ static bool is_first_thread() {
    return blockIdx.x % kCtas == 0 && threadIdx.x == 0;
  }

  /// Before the first say(): the CTAs have begun.
  __device__ __forceinline__ static void begin() {
    if constexpr (kCtas > 1) cluster_barrier();
  }

  /// What the calling warp has to say, for place `index` of an array of kMost in shared memory.
  __device__ __forceinline__ void say(float (&said)[kMost], float value) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    if constexpr (kCtas == 1) {
      if (lane == 0) said[index] = value;
    } else {
      if (lane < kCtas) store_cluster_shared(shared_address(said + index), lane, value);
    }
  }

  /// Behind it all have what was said before.
  __device__ __forceinline__ static void listen() {
    if constexpr (kCtas == 1) {
      __syncthreads();
    } else {
      cluster_barrier();
    }
  }
};

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
template <int kWarpBlocks, int kCtas>
__device__ __forceinline__ void load_row_scales(
    const RowWarps<kCtas>& warps, const uint16_t* scales, int64_t blocks,
    LaneScales (&of_warp)[kWarpBlocks]
) {
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warps.index + b * warps.count;
    of_warp[b] = block < blocks ? load_scales(scales, block) : LaneScales();
  }
}

/// v = H(suh * v) of the warp's blocks, of which there are so many in the row; v: zeros behind
/// them. Returns the largest number, NaN if one is not finite: then so are the outputs of the row.
template <int kWarpBlocks, int kCtas>
__device__ __forceinline__ float rotate_blocks(
    const RowWarps<kCtas>& warps, float (&v)[kWarpBlocks][kLaneNumbers],
    const LaneScales (&suh)[kWarpBlocks], int64_t blocks
) {
  float largest = 0.0f;
  float poison = 0.0f;
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warps.index + b * warps.count;
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
  return warp_max(largest) + warp_sum(poison);
}

/// Rounds and stores scale * v of the warp's blocks, in units of the largest number of the row.
/// largest: what rotate_blocks() returned to each of the row's warps.
template <int kWarpBlocks, int kCtas>
__device__ __forceinline__ void store_blocks(
    const RowWarps<kCtas>& warps, const float (&v)[kWarpBlocks][kLaneNumbers],
    const float (&largest)[RowWarps<kCtas>::kMost], float scale, const StagedInput& out
) {
  float of_lane = 0.0f;
  float poison = 0.0f;
#pragma unroll
  for (int first = 0; first < RowWarps<kCtas>::kMost; first += kWarp) {
    const int warp = first + static_cast<int>(threadIdx.x) % kWarp;
    if (warp >= warps.count) break;
    of_lane = fmaxf(of_lane, largest[warp]);
    poison += largest[warp] * 0.0f;
  }
  const float unit = warp_max(of_lane) + warp_sum(poison);
  if (warps.is_first_thread()) out.units[warps.row()] = unit * scale;
  const float inverse = unit > 0.0f ? 1.0f / unit : 0.0f;
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int block = warps.index + b * warps.count;
    if (block < out.steps / 2) store_staged(v[b], inverse, out, warps.row(), block);
  }
}

/// Rounds and stores H(suh * v). largest: shared memory; every thread of the row has to come.
template <int kWarpBlocks, int kCtas>
__device__ __forceinline__ void stage_row(
    const RowWarps<kCtas>& warps, float (&v)[kWarpBlocks][kLaneNumbers],
    const LaneScales (&suh)[kWarpBlocks], int64_t blocks, const StagedInput& out,
    float (&largest)[RowWarps<kCtas>::kMost]
) {
  warps.say(largest, rotate_blocks(warps, v, suh, blocks));
  warps.listen();
  store_blocks(warps, v, largest, 1.0f, out);
}

/// Calls fn.operator()<kWarpBlocks, kCtas>(grid_x, block_x) for rows of so many blocks, at most
/// kMostStageInputs / 128. ctas: that share a row, one or kSharingCtas.
template <typename Function>
void for_row_blocks(int64_t rows, int64_t blocks, int ctas, Function fn) {
  static_assert(kMostStageInputs == int64_t{8} * kMostRowWarps * kBlock, "a CTA holds a row");
  const auto warps = [&](int64_t of_warp) { return (blocks + of_warp - 1) / of_warp; };
  const auto call = [&]<int kWarpBlocks, int kCtas>() {
    const int64_t of_cta = (warps(kWarpBlocks) + kCtas - 1) / kCtas;
    fn.template operator()<kWarpBlocks, kCtas>(
        static_cast<unsigned>(rows * kCtas), static_cast<unsigned>(of_cta * kWarp)
    );
  };
  if (ctas > 1) return call.template operator()<2, kSharingCtas>();
  if (warps(4) <= kMostRowWarps) return call.template operator()<4, 1>();
  call.template operator()<8, 1>();
}

}  // namespace trellis::cuda
