// a = silu(g) * u with g, u = svh * H(products) + bias, then suh, H and rounding, as for any input.
// A warp owns one block of 128 numbers of a row, from both products to the rounded block. Traffic:
// 8 bytes a number in, 2 out.
#include "backend/cuda/device/activation.cuh"
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/exl3_gated_quantize.h"

namespace trellis::cuda {
namespace {

__global__ void __launch_bounds__(kWarp)
    gated_quantize_kernel(const __grid_constant__ GatedQuantizeProblem problem) {
  dependents_launch();
  const int64_t row = blockIdx.x;
  const int64_t block = blockIdx.y;
  float a[kLaneNumbers] = {};
  if (block >= problem.gate.padded_out / kBlock) {
    // Behind the inputs, up to a whole chunk of the layout.
    dependencies_wait();
    return store_input(a, LaneScales(), problem.out, row, block);
  }
  const LaneScales gate_svh = load_scales(problem.gate.svh, block);
  const LaneScales up_svh = load_scales(problem.up.svh, block);
  const LaneScales suh = load_scales(problem.suh, block);
  dependencies_wait();
  // All of both is on its way before either is waited for.
  const auto gate = load_first_parts<float>(problem.gate, row, block);
  const auto up = load_first_parts<float>(problem.up, row, block);
  const float gate_unit = load_unit<float>(problem.gate, row);
  const float up_unit = load_unit<float>(problem.up, row);
  float u[kLaneNumbers];
  finish_parts(problem.gate, gate, gate_unit, gate_svh, row, block, a);
  finish_parts(problem.up, up, up_unit, up_svh, row, block, u);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) a[i] = silu(a[i]) * u[i];
  store_input(a, suh, problem.out, row, block);
}

}  // namespace

void exl3_gated_quantize(cudaStream_t stream, const GatedQuantizeProblem& problem) {
  const dim3 grid(
      static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.out.stride / kBlock)
  );
  launch(stream, {grid, kWarp, 0, true}, gated_quantize_kernel, problem);
}

}  // namespace trellis::cuda
