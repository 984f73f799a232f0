// y[r, n] = sum_k a[r, k] Wt[k, n] for many rows, straight from trellis words, by mma.sync: for
// GPUs without wgmma.
//
// Form: D^T = Wt^T A^T, as in exl3_wgmma.cuh, with the same operands: a warp owns 16 columns of Wt,
// mma's rows, and all of the CTA's 64 or 128 rows of activations, mma's columns. Lane 4 g + t
// decodes run g of input tile t and so holds an A fragment. Activations come by cp.async through a
// ring of stages of 64 inputs, which all warps share, and from there by ldmatrix: as exl3_stage.h
// orders them, no eight rows of a piece meet in a bank. Weights go to L2 a chunk ahead, and
// from there to registers. While the tensor cores work for one warp, others decode.
//
// Traffic: K bits a weight from DRAM once, and from L2 once for each tile of rows; 2 bytes an
// activation from L2 for each 128 columns, and from shared memory for each 16; 2 or 4 bytes a sum
// out. Bound by the tensor cores with 128 rows, by decoding with 64.
#pragma once

#include "backend/cuda/device/mma_shape.h"
#include "backend/cuda/device/product_operand.cuh"

namespace trellis::cuda {

template <int kBits, exl3::Codebook kCodebook, int kRows>
__global__ void __launch_bounds__(
    MmaShape<kBits, kRows>::kThreads, MmaShape<kBits, kRows>::kCtasPerSm
) mma_kernel(const __grid_constant__ StagedProduct problem) {
  if constexpr (kNeedsMma) {
    using Shape = MmaShape<kBits, kRows>;
    TRELLIS_DYNAMIC_SHARED(shared);
    dependents_launch();
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = warp_index();
    const uint32_t stages = shared_address(shared);
    const product::CtaColumns cta = product::cta_columns(problem, Shape::kWarps * kTileSize);
    const StagedMatrix& matrix = problem.matrices[cta.matrix];
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kRows;
    const int rows = static_cast<int>(min(problem.rows - first_row, int64_t{kRows}));
    const int first_chunk = static_cast<int>(blockIdx.z) * problem.segments.chunks;
    const int end_chunk = min(first_chunk + problem.segments.chunks, problem.chunks);

    // The lane's stream of weights.
    const int tile = cta.first / kTileSize + warp;
    const char* source = reinterpret_cast<const char*>(matrix.words) +
                         ((static_cast<int64_t>(tile / Shape::kTiles) * problem.chunks + first_chunk
                          ) * Shape::kTiles +
                          tile % Shape::kTiles) *
                             Shape::kChunkBytes +
                         lane * 16;
    uint32_t words[Shape::kPieces * 4];  // of the chunk that is being decoded
    const auto load_chunk = [&] {
#pragma unroll
      for (int p = 0; p < Shape::kPieces; ++p) {
        const uint4 piece = *reinterpret_cast<const uint4*>(source + p * 512);
        words[4 * p] = piece.x;
        words[4 * p + 1] = piece.y;
        words[4 * p + 2] = piece.z;
        words[4 * p + 3] = piece.w;
      }
      source += Shape::kTiles * Shape::kChunkBytes;
    };
    load_chunk();  // does not wait for the kernel in front
    dependencies_wait();

    // The stream of activations, each thread the same pieces of every stage.
    constexpr int kThreadBytes = Shape::kThreads * kPieceBytes;
    const int all_steps = problem.chunks * Shape::kSteps;
    const int first_step = first_chunk * Shape::kSteps;
    int to_fetch = (end_chunk - first_chunk) * Shape::kSteps;
    const bool has_second_block = rows > kStageRows;
    const uint32_t second_block = static_cast<uint32_t>(all_steps) * kStageBlockBytes;
    const char* activations = reinterpret_cast<const char*>(matrix.input.halves) +
                              (first_row / kStageRows * all_steps + first_step) * kStageBlockBytes +
                              static_cast<int>(threadIdx.x) * kPieceBytes;
    const uint32_t own = stages + static_cast<uint32_t>(threadIdx.x) * kPieceBytes;
    const auto fetch = [&](int stage) {
      if (to_fetch > 0) {
        --to_fetch;
        const uint32_t to = own + stage * Shape::kStageBytes;
#pragma unroll
        for (int i = 0; i < kStageBlockBytes; i += kThreadBytes) {
          cp_async_16(to + i, activations + i);
          if (kRows > kStageRows && has_second_block)
            cp_async_16(to + kStageBlockBytes + i, activations + second_block + i);
        }
        activations += kStageBlockBytes;
      }
      cp_async_commit();  // an empty group keeps the counts right
    };
    for (int stage = 0; stage < Shape::kStages - 1; ++stage) fetch(stage);

    // Lane 8 m + i names row i of matrix m: of rows 0 to 7 or the next, of the first or the second
    // piece of slab 0.
    const uint32_t own_row = stages + product::row_place(lane % 8 + lane / 16 * 8, lane / 8 % 2);
    float sums[kRows / 8][4] = {};
    int stage = 0;
#pragma unroll 1
    for (int chunks = end_chunk - first_chunk; chunks > 0; --chunks) {
      // A line for eight lanes.
      if (chunks > 1 && lane % 8 == 0) {
#pragma unroll
        for (int p = 0; p < Shape::kPieces; ++p) prefetch_l2(source + p * 512);
      }
#pragma unroll
      for (int step = 0; step < Shape::kSteps; ++step) {
        cp_async_wait<Shape::kStages - 2>();
        __syncthreads();  // the stage has come, and the one before it has been read by all
        fetch(stage == 0 ? Shape::kStages - 1 : stage - 1);
        uint32_t run[kBits];
#pragma unroll
        for (int k = 0; k < kBits; ++k) run[k] = words[step * kBits + k];
        const uint32_t before = __shfl_sync(kAllLanes, run[kBits - 1], (lane + kWarp - 4) % kWarp);
        const uint32_t first_slab = own_row + stage * Shape::kStageBytes;
#pragma unroll
        for (int slab = 0; slab < 4; ++slab) {
          uint32_t a[4];
          product::decode_slab<kBits, kCodebook>(a, run, before, slab);
          const uint32_t operand = first_slab ^ slab * 2 * kPieceBytes;  // as pieces are exchanged
#pragma unroll
          for (int j = 0; j < kRows / 16; ++j) {
            uint32_t b[4];
            ldmatrix_x4(b, operand + j * 16 * kStageRowBytes);
            mma_m16n8k16_f16(sums[2 * j], a[0], a[1], a[2], a[3], b[0], b[1]);
            mma_m16n8k16_f16(sums[2 * j + 1], a[0], a[1], a[2], a[3], b[2], b[3]);
          }
        }
        stage = stage + 1 == Shape::kStages ? 0 : stage + 1;
      }
      if (chunks > 1) load_chunk();
    }

    const product::SumRows out = {
        matrix.y, (static_cast<int64_t>(blockIdx.z) * problem.rows + first_row) * matrix.columns,
        matrix.columns, rows
    };
    if (kRows <= kSegmentedRows && problem.sums == FloatType::kFloat32) {
      const auto sum = [&](int i) { return sums[i / 4][i % 4]; };
      return product::store_floats<kRows>(sum, out, tile * kTileSize);
    }
    // The columns of four warps cross their threads in a stage of their own.
    constexpr int kGroupWarps = kGroupColumns / kTileSize;
    const int group_stage = warp / kGroupWarps * Shape::kStageBytes;
    const int fresh_lane = thread_index() % kWarp;
    __syncthreads();  // all products have read the stages
#pragma unroll
    for (int j = 0; j < kRows / 8; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = 8 * j + fresh_lane % 4 * 2 + i % 2;
        const int piece = 2 * (warp % kGroupWarps) + i / 2;
        auto* halves =
            reinterpret_cast<__half*>(shared + group_stage + product::row_place(row, piece));
        halves[fresh_lane / 4] = __float2half_rn(sums[j][i]);
      }
    }
    __syncthreads();
    product::copy_halves(stages + group_stage, out, tile / kGroupWarps * kGroupColumns);
  }
}

}  // namespace trellis::cuda
