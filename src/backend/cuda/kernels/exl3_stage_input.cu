// A CTA owns a row for one matrix: scale by suh, transform, find the largest number, round.
// Traffic: x once per matrix, 2 bytes per number out.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_stage_input.h"

namespace trellis::cuda {
namespace {

template <int kWarpBlocks>
__global__ void __launch_bounds__(kMostRowWarps* kWarp)
    stage_input_kernel(const __grid_constant__ StageProblem problem) {
  __shared__ float scratch[kMostRowWarps];
  dependents_launch();
  const int64_t row = blockIdx.x;
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const int64_t blocks = (problem.in_features + kBlock - 1) / kBlock;
  LaneScales suh[kWarpBlocks];
  load_row_scales(problem.suh[blockIdx.y], blocks, suh);
  float v[kWarpBlocks][kLaneNumbers] = {};
  dependencies_wait();
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const float* x = problem.x + row * problem.in_features;
    const int64_t block = warp + b * warps;
    const int64_t first = first_of_lane(block);
    if (problem.in_features % kLaneNumbers == 0) {
      if (first < problem.in_features) load_block(x, block, v[b]);
      continue;
    }
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) {
      if (first + i < problem.in_features) v[b][i] = x[first + i];
    }
  }
  stage_row(v, suh, blocks, problem.out[blockIdx.y], row, scratch);
}

}  // namespace

void exl3_stage_input(cudaStream_t stream, const StageProblem& problem) {
  const dim3 grid(static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.num_matrices));
  for_row_blocks(problem.out[0].steps / 2, [&]<int kWarpBlocks>(unsigned warps) {
    launch(stream, {grid, warps * kWarp, 0, true}, stage_input_kernel<kWarpBlocks>, problem);
  });
}

}  // namespace trellis::cuda
