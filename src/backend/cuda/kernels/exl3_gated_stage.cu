// a = silu(g) * u with g, u = svh * H(products) + bias, then suh, H and rounding, as for any input.
// A CTA owns a row, a warp every n-th block of 128 numbers of it, from both products to the rounded
// blocks. Traffic: 4 bytes a number in (8 where products are in fp32), 2 out.
#include "backend/cuda/device/activation.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_gated_stage.h"

#include <cuda_fp16.h>

#include <type_traits>

namespace trellis::cuda {
namespace {

/// Number: of both products.
template <int kWarpBlocks, typename Number>
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
  const float gate_unit = load_unit<Number>(problem.gate, row);
  const float up_unit = load_unit<Number>(problem.up, row);
  // A few blocks at a time, all of whose products are on their way together: as many as registers
  // allow.
  constexpr int kAtOnce = kWarpBlocks <= 4 ? 4 : (std::is_same_v<Number, __half> ? 2 : 1);
#pragma unroll
  for (int first = 0; first < kWarpBlocks; first += kAtOnce) {
    FirstParts<Number> gate[kAtOnce];
    FirstParts<Number> up[kAtOnce];
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warp + (first + b) * warps;
      if (block >= blocks) continue;
      gate[b] = load_first_parts<Number>(problem.gate, row, block);
      up[b] = load_first_parts<Number>(problem.up, row, block);
    }
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warp + (first + b) * warps;
      if (block >= blocks) continue;
      const LaneScales gate_svh = load_scales(problem.gate.svh, block);
      const LaneScales up_svh = load_scales(problem.up.svh, block);
      float u[kLaneNumbers];
      finish_parts<1>(problem.gate, gate[b], gate_unit, gate_svh, row, block, v[first + b]);
      finish_parts<1>(problem.up, up[b], up_unit, up_svh, row, block, u);
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) v[first + b][i] = silu(v[first + b][i]) * u[i];
    }
  }
  LaneScales suh[kWarpBlocks];
  load_row_scales(problem.suh, blocks, suh);
  stage_row(v, suh, blocks, problem.out, row, scratch);
}

}  // namespace

void exl3_gated_stage(cudaStream_t stream, const GatedStageProblem& problem) {
  for_row_blocks(problem.out.steps / 2, [&]<int kWarpBlocks>(unsigned warps) {
    const bool halves = problem.gate.type == FloatType::kFloat16;
    launch(
        stream, {static_cast<unsigned>(problem.rows), warps * kWarp, 0, true},
        halves ? gated_stage_kernel<kWarpBlocks, __half> : gated_stage_kernel<kWarpBlocks, float>,
        problem
    );
  });
}

}  // namespace trellis::cuda
