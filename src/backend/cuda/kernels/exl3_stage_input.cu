// A CTA owns a row for one matrix, or with few rows a cluster does: scale by suh, transform, find
// the largest number, round. Traffic: x once per matrix, 2 bytes per number out.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_stage_input.h"

namespace trellis::cuda {
namespace {

template <int kWarpBlocks, int kCtas>
__global__ void __launch_bounds__(kMostRowWarps* kWarp)
    stage_input_kernel(const __grid_constant__ StageProblem problem) {
  __shared__ float largest[RowWarps<kCtas>::kMost];
  dependents_launch();
  const RowWarps<kCtas> warps;
  const int64_t blocks = (problem.in_features + kBlock - 1) / kBlock;
  LaneScales suh[kWarpBlocks];
  load_row_scales(warps, problem.suh[blockIdx.y], blocks, suh);
  float v[kWarpBlocks][kLaneNumbers] = {};
  warps.begin();
  dependencies_wait();
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const float* x = problem.x + warps.row() * problem.in_features;
    const int64_t block = warps.index + b * warps.count;
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
  stage_row(warps, v, suh, blocks, problem.out[blockIdx.y], largest);
}

}  // namespace

void exl3_stage_input(cudaStream_t stream, const StageProblem& problem) {
  for_row_blocks(
      problem.rows, problem.out[0].steps / 2, problem.row_ctas,
      [&]<int kWarpBlocks, int kCtas>(unsigned grid_x, unsigned block) {
        const dim3 grid(grid_x, static_cast<unsigned>(problem.num_matrices));
        launch(
            stream, {grid, block, 0, true, kCtas}, stage_input_kernel<kWarpBlocks, kCtas>, problem
        );
      }
  );
}

}  // namespace trellis::cuda
