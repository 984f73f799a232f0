// a = silu(g) * u with g, u = svh * H(products) + bias, then suh, H and rounding, as for any input.
// A CTA owns a row, a warp every n-th block of 128 numbers of it, from both products to the rounded
// blocks. Traffic: 8 bytes a number in, 2 out.
#include "backend/cuda/device/activation.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_gated_stage.h"

namespace trellis::cuda {
namespace {

template <int kWarpBlocks>
__global__ void __launch_bounds__(kMostRowWarps* kWarp)
    gated_stage_kernel(const __grid_constant__ GatedStageProblem problem) {
  __shared__ float scratch[kMostRowWarps];
  dependents_launch();
  const int64_t row = blockIdx.x;
  const int blocks = static_cast<int>(problem.gate.padded_out / kBlock);
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  float v[kWarpBlocks][kLaneNumbers] = {};
  dependencies_wait();
  // A few blocks at a time, all of whose products are on their way together: as many as registers
  // allow.
  constexpr int kAtOnce = kWarpBlocks > 4 ? 1 : 4;
  constexpr bool kBothAtOnce = kAtOnce > 1;
#pragma unroll
  for (int first = 0; first < kWarpBlocks; first += kAtOnce) {
    float u[kAtOnce][kLaneNumbers];
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warp + (first + b) * warps;
      if (block >= blocks) continue;
      load_first_part(problem.gate, row, block, v[first + b]);
      if (kBothAtOnce) load_first_part(problem.up, row, block, u[b]);
    }
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warp + (first + b) * warps;
      if (block >= blocks) continue;
      finish_parts<1>(problem.gate, load_scales(problem.gate.svh, block), row, block, v[first + b]);
      if (!kBothAtOnce) load_first_part(problem.up, row, block, u[b]);
      finish_parts<1>(problem.up, load_scales(problem.up.svh, block), row, block, u[b]);
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) v[first + b][i] = silu(v[first + b][i]) * u[b][i];
    }
  }
  LaneScales suh[kWarpBlocks];
  load_row_scales(problem.suh, blocks, suh);
  stage_row(v, suh, blocks, problem.out, row, scratch);
}

}  // namespace

void exl3_gated_stage(cudaStream_t stream, const GatedStageProblem& problem) {
  for_row_blocks(problem.out.steps / 2, [&]<int kWarpBlocks>(unsigned warps) {
    launch(
        stream, {static_cast<unsigned>(problem.rows), warps * kWarp, 0, true},
        gated_stage_kernel<kWarpBlocks>, problem
    );
  });
}

}  // namespace trellis::cuda
