// A warp owns one block of 128 numbers of a row for one matrix: scale by suh, transform, round.
// Traffic: x once per matrix, 2 bytes per number out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/exl3_quantize.h"

namespace trellis::cuda {
namespace {

__global__ void __launch_bounds__(kWarp)
    quantize_kernel(const __grid_constant__ QuantizeProblem problem) {
  dependents_launch();
  const int64_t block = blockIdx.y;
  const int64_t row = blockIdx.x;
  const QuantizedInput& out = problem.out[blockIdx.z];
  const int64_t first = first_of_lane(block);
  // Scales are there for whole blocks; behind them the layout's chunk may reach on.
  const bool has_scales = first < problem.in_features;
  const LaneScales suh = has_scales ? load_scales(problem.suh[blockIdx.z], block) : LaneScales();
  dependencies_wait();
  float v[kLaneNumbers];
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t k = first + i;
    v[i] = k < problem.in_features ? problem.x[row * problem.in_features + k] : 0.0f;
  }
  store_input(v, suh, out, row, block);
}

}  // namespace

void exl3_quantize_input(cudaStream_t stream, const QuantizeProblem& problem) {
  const dim3 grid(
      static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.out[0].stride / kBlock),
      static_cast<unsigned>(problem.num_matrices)
  );
  launch(stream, {grid, kWarp, 0, true}, quantize_kernel, problem);
}

}  // namespace trellis::cuda
