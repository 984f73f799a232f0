// y[r, n] = sum_k a[r, k] Wt[k, n] for many rows, straight from trellis words, by wgmma.
//
// Form: D^T = Wt^T A^T. A warpgroup owns 64 columns of Wt, which are wgmma's rows, and a tile of
// 64, 128 or 256 rows of activations, which are its columns. A warp decodes 16 columns: lane 4 g +
// t decodes run g of input tile t and so holds what wgmma's A fragment wants, in registers; inputs
// are summed in the order in which the runs give them, and exl3_stage.h brings activations into the
// same order. While the tensor cores work on one slab of 16 inputs, the warps decode the next.
//
// Activations come by bulk copies through a ring of stages of 64 inputs, which the CTA's warpgroups
// share. A thread of a warpgroup of its own keeps it full, as soon as a stage has been read; what
// registers that warpgroup need not have the others take. (Filled by a thread of the others, two
// stages behind: 538 TFLOP/s instead of 669, 2048 rows of 4096 x 28672 at 4 bits on an H100.)
// Weights come through a ring of each warp by cp.async, each lane its own pieces.
//
// Sums are in fp32, over segments of the inputs, each by a CTA of its own: so a matrix of many
// inputs and few outputs has work for all SMs. The bits of a row do not depend on the tile. They
// stay in units of the row, by which whoever reads them multiplies: so fp16 holds them, and with
// many rows they are stored as that.
//
// Traffic: K bits a weight from DRAM once, if tiles of rows that share weights run side by side
// (they are neighbours in the grid), and from L2 once for each tile of rows; 2 bytes an activation
// from L2 for each tile of columns; 2 or 4 bytes a sum out. Bound by the tensor cores with 256
// rows, by decoding with 64.
#pragma once

#include "backend/cuda/device/product_operand.cuh"
#include "backend/cuda/device/wgmma_ring.cuh"
#include "backend/cuda/device/wgmma_shape.h"

namespace trellis::cuda {

namespace wgmma {

template <int kSums>
__device__ __forceinline__ void multiply(
    float (&sums)[kSums], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  if constexpr (kSums == 32) wgmma_m64n64k16_f16(sums, a, b_descriptor);
  if constexpr (kSums == 64) wgmma_m64n128k16_f16(sums, a, b_descriptor);
  if constexpr (kSums == 128) wgmma_m64n256k16_f16(sums, a, b_descriptor);
}

}  // namespace wgmma

template <int kBits, exl3::Codebook kCodebook, int kRows>
__global__ void __launch_bounds__(
    WgmmaShape<kBits, kRows>::threads(WgmmaShape<kBits, kRows>::kMostGroups),
    WgmmaShape<kBits, kRows>::kCtasPerSm
) wgmma_kernel(const __grid_constant__ StagedProduct problem) {
  if constexpr (kHasWgmma) {
    using Shape = WgmmaShape<kBits, kRows>;
    using Position = wgmma::RingPosition<Shape::kStages>;
    TRELLIS_DYNAMIC_SHARED(shared);
    dependents_launch();
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = warp_index();
    // Those that multiply; behind them stand the ones that copy.
    const int warps = static_cast<int>(blockDim.x) / kWarp - Shape::kGroupWarps;
    const bool is_copying = warp >= warps;
    const uint32_t stages = shared_address(shared);
    const uint32_t barriers = stages + Shape::barrier_offset(warps / Shape::kGroupWarps);
    const auto arrived = [&](int stage) { return barriers + stage * 16; };
    const auto released = [&](int stage) { return barriers + stage * 16 + 8; };
    if (threadIdx.x == 0) {
      for (int stage = 0; stage < Shape::kStages; ++stage) {
        mbarrier_init(arrived(stage), 1);
        mbarrier_init(released(stage), static_cast<uint32_t>(warps));
      }
      fence_proxy_async();
    }
    __syncthreads();

    const product::CtaColumns cta = product::cta_columns(problem, warps * kTileSize);
    const StagedMatrix& matrix = problem.matrices[cta.matrix];
    const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kRows;
    const int rows = static_cast<int>(min(problem.rows - first_row, int64_t{kRows}));
    const int chunks = problem.chunks;
    const int first_chunk = static_cast<int>(blockIdx.z) * problem.segments.chunks;
    const int end_chunk = min(first_chunk + problem.segments.chunks, chunks);

    // The stream of activations.
    const int end_step = end_chunk * Shape::kSteps;
    const int steps = chunks * Shape::kSteps;
    const int blocks = (rows + kStageRows - 1) / kStageRows;
    const char* activations = reinterpret_cast<const char*>(matrix.input.halves) +
                              first_row / kStageRows * steps * kStageBlockBytes;
    const auto fetch = [&](int step, int stage) {
      mbarrier_arrive_expect_tx(arrived(stage), blocks * kStageBlockBytes);
#pragma unroll 1
      for (int block = 0; block < blocks; ++block) {
        bulk_copy_global_to_shared(
            stages + stage * Shape::kStageBytes + block * kStageBlockBytes,
            activations + (static_cast<int64_t>(block) * steps + step) * kStageBlockBytes,
            kStageBlockBytes, arrived(stage)
        );
      }
    };

    // The lane's stream of weights, kSlots chunks ahead.
    const int tile = cta.first / kTileSize + warp;
    const char* source =
        reinterpret_cast<const char*>(matrix.words) +
        ((static_cast<int64_t>(tile / Shape::kTiles) * chunks + first_chunk) * Shape::kTiles +
         tile % Shape::kTiles) *
            Shape::kSlotBytes +
        lane * 16;
    const uint32_t ring = stages + Shape::kRingOffset + warp * Shape::kRingBytes + lane * 16;
    uint32_t slot = ring;  // the next to be read, and behind the last to be filled
    int to_issue = end_chunk - first_chunk;
    const auto issue = [&](uint32_t place) {
      if (to_issue > 0) {
        --to_issue;
#pragma unroll
        for (int p = 0; p < Shape::kPieces; ++p) cp_async_16(place + p * 512, source + p * 512);
        source += Shape::kTiles * Shape::kSlotBytes;
      }
      cp_async_commit();  // an empty group keeps the counts right
    };
    // One slot before the kernel in front has ended; every byte more would delay the activations.
    if (!is_copying) issue(ring);
    dependencies_wait();
    const int first_step = first_chunk * Shape::kSteps;
    const bool copies = warp == warps && lane == 0;
    if (copies) {
#pragma unroll 1
      for (int stage = 0; stage < Shape::kStages; ++stage) {
        if (first_step + stage < end_step) fetch(first_step + stage, stage);
      }
    }
    if (!is_copying) {
#pragma unroll 1
      for (int s = 1; s < Shape::kSlots; ++s) issue(ring + s * Shape::kSlotBytes);
    }
    if (is_copying) {
      release_registers<Shape::kCopyingRegisters>();
      if (!copies) return;
      Position write;
#pragma unroll 1
      for (int step = first_step + Shape::kStages; step < end_step; ++step) {
        wgmma::wait_for_phase(released(write.stage), write.parity);
        fetch(step, write.stage);
        write.advance();
      }
      return;
    }
    acquire_registers<Shape::kMultiplyingRegisters>();

    uint32_t words[Shape::kPieces * 4];  // of the chunk that is being decoded
    const auto load_words = [&] {
      cp_async_wait<Shape::kSlots - 1>();
#pragma unroll
      for (int p = 0; p < Shape::kPieces; ++p) {
        const uint4 piece = load_shared_128(slot + p * 512);
        words[4 * p] = piece.x;
        words[4 * p + 1] = piece.y;
        words[4 * p + 2] = piece.z;
        words[4 * p + 3] = piece.w;
      }
    };
    const auto refill = [&] {
      issue(slot);
      slot += Shape::kSlotBytes;
      if (slot == ring + Shape::kRingBytes) slot = ring;
    };
    uint32_t run[kBits];
    uint32_t before = 0;
    const auto begin_step = [&](int step) {
#pragma unroll
      for (int k = 0; k < kBits; ++k) run[k] = words[step * kBits + k];
      before = __shfl_sync(kAllLanes, run[kBits - 1], (lane + kWarp - 4) % kWarp);
    };

    float sums[kRows / 2];  // as store_floats() has them
    const product::SumRows out = {
        matrix.y, (static_cast<int64_t>(blockIdx.z) * problem.rows + first_row) * matrix.columns,
        matrix.columns, rows
    };
    // The columns of a warpgroup cross its threads in a stage of their own.
    const auto store_halves = [&] {
      const int fresh_lane = thread_index() % kWarp;
      const int group = thread_index() / kWarp / Shape::kGroupWarps;
      const int group_warp = thread_index() / kWarp % Shape::kGroupWarps;
      const uint32_t stage = stages + group * Shape::kStageBytes;
      // Lane 8 m + i names row i of matrix m: of rows 0 to 7 or the next, of columns 0 to 7 or the
      // next.
      const uint32_t own =
          stage + product::row_place(
                      fresh_lane % 8 + fresh_lane / 16 * 8, 2 * group_warp + fresh_lane / 8 % 2
                  );
      __syncthreads();  // all products have read the stages
#pragma unroll
      for (int j = 0; j < kRows / 16; ++j) {
        uint32_t halves[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float* pair = sums + 8 * j + 2 * i;
          halves[i] = as_bits(__floats2half2_rn(pair[0], pair[1]));
        }
        stmatrix_x4_trans(own + j * 16 * kStageRowBytes, halves);
      }
      __syncthreads();
      product::copy_halves(stage, out, tile / Shape::kGroupWarps * kGroupColumns);
    };

    uint32_t a[4][4];  // of the slabs of a step; two that are multiplied, two that are decoded
    const auto decode_pair = [&](int pair) {
      product::decode_slab<kBits, kCodebook>(a[2 * pair], run, before, 2 * pair);
      product::decode_slab<kBits, kCodebook>(a[2 * pair + 1], run, before, 2 * pair + 1);
    };
    load_words();
    begin_step(0);
    decode_pair(0);
    refill();
    Position read;
    uint32_t last_released = 0;  // the barrier of the stage before, none at first
#pragma unroll
    for (int i = 0; i < kRows / 2; ++i) sums[i] = 0.0f;
#pragma unroll 1
    for (int chunk = first_chunk; chunk < end_chunk; ++chunk) {
#pragma unroll
      for (int step = 0; step < Shape::kSteps; ++step) {
        wgmma::wait_for_phase(arrived(read.stage), read.parity);
        const uint64_t b = wgmma::operand(stages + read.stage * Shape::kStageBytes);
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
          wgmma_fence();
          wgmma::multiply(sums, a[2 * pair], b + 4 * pair);
          wgmma::multiply(sums, a[2 * pair + 1], b + 4 * pair + 2);
          wgmma_commit();
          wgmma_wait<1>();  // the pair before has ended: its fragments may be overwritten
          if (pair == 0 && lane == 0 && last_released != 0) mbarrier_arrive(last_released);
          const bool ends_chunk = pair == 1 && step + 1 == Shape::kSteps;
          // Behind the last chunk fragments of old words are decoded that nobody multiplies.
          if (ends_chunk) load_words();
          if (pair == 1) begin_step((step + 1) % Shape::kSteps);
          decode_pair(1 - pair);
          if (ends_chunk) refill();
        }
        last_released = released(read.stage);
        read.advance();
      }
    }
    wgmma_wait<0>();
    if constexpr (kRows > kSegmentedRows) {
      store_halves();
    } else {
      const auto sum = [&](int i) { return sums[i]; };
      problem.sums == FloatType::kFloat16
          ? store_halves()
          : product::store_floats<kRows>(sum, out, tile * kTileSize);
    }
  }
}

}  // namespace trellis::cuda
