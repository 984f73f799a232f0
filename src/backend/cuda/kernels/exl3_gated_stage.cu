// a = silu(g) * u with g, u = svh * H(products) + bias, then suh, H and rounding, as for any input.
// A CTA owns a row, or with few rows a cluster does, a warp every n-th block of 128 numbers of it,
// from both products to the rounded blocks. Traffic: 4 bytes a number in (8 where products are in
// fp32), 2 out.
#include "backend/cuda/device/activation.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_gated_stage.h"
#include "base/error.h"

#include <cuda_fp16.h>

#include <type_traits>

namespace trellis::cuda {
namespace {

/// kCtas: that share a row. Number: of both products.
template <int kWarpBlocks, int kCtas, typename Number>
__global__ void __launch_bounds__(kMostRowWarps* kWarp)
    gated_stage_kernel(const __grid_constant__ GatedStageProblem problem) {
  __shared__ float largest[RowWarps<kCtas>::kMost];
  dependents_launch();
  const RowWarps<kCtas> warps;
  const int64_t row = warps.row();
  const int blocks = static_cast<int>(problem.gate.padded_out / kBlock);
  float v[kWarpBlocks][kLaneNumbers] = {};
  warps.begin();
  dependencies_wait();
  const float gate_unit = load_unit<Number>(problem.gate, row);
  const float up_unit = load_unit<Number>(problem.up, row);
  // A few blocks at a time, all of whose products are on their way together: as many as registers
  // allow.
  constexpr int kAtOnce = kWarpBlocks <= 4 ? kWarpBlocks : 2;
#pragma unroll
  for (int first = 0; first < kWarpBlocks; first += kAtOnce) {
    FirstParts<Number> gate[kAtOnce];
    FirstParts<Number> up[kAtOnce];
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warps.index + (first + b) * warps.count;
      if (block >= blocks) continue;
      gate[b] = load_first_parts<Number>(problem.gate, row, block);
      up[b] = load_first_parts<Number>(problem.up, row, block);
    }
#pragma unroll
    for (int b = 0; b < kAtOnce; ++b) {
      const int block = warps.index + (first + b) * warps.count;
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
  load_row_scales(warps, problem.suh, blocks, suh);
  stage_row(warps, v, suh, blocks, problem.out, largest);
}

}  // namespace

void exl3_gated_stage(cudaStream_t stream, const GatedStageProblem& problem) {
  const bool halves = problem.gate.type == FloatType::kFloat16;
  TRELLIS_CHECK(halves == (problem.row_ctas == 1), "products of many rows, and no others, in fp16");
  for_row_blocks(
      problem.rows, problem.out.steps / 2, problem.row_ctas,
      [&]<int kWarpBlocks, int kCtas>(unsigned grid, unsigned block) {
        using Number = std::conditional_t<kCtas == 1, __half, float>;
        launch(
            stream, {grid, block, 0, true, kCtas}, gated_stage_kernel<kWarpBlocks, kCtas, Number>,
            problem
        );
      }
  );
}

}  // namespace trellis::cuda
