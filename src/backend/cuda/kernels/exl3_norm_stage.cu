// The same as exl3_norm_quantize.cu for many rows, in the order of exl3_stage.h. A CTA owns a row,
// a warp every n-th block of 128 numbers of it, from the addend to the rounded halves: the row
// stays in registers, only the sum of squares and the largest number cross warps, in a fixed order.
//
// Traffic: the row and the addend in, the row out, 2 bytes a number and matrix out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_norm_quantize.h"

namespace trellis::cuda {
namespace {

constexpr int kMostWarps = 32;
constexpr int kMostThreads = kMostWarps * kWarp;
constexpr int kMostWarpBlocks = 2;

static_assert(kMostNormStageNumbers == kMostWarpBlocks * kMostWarps * kBlock, "a CTA holds a row");

/// Adds block `block` of a row's addend, whichever there is, and stores the sum.
__device__ __forceinline__ void add_block(
    const NormQuantizeProblem& problem, LaneScales svh, int64_t row, int64_t block,
    float (&v)[kLaneNumbers]
) {
  float more[kLaneNumbers];
  if (problem.products.inner != nullptr) {
    finish_outputs(problem.products, svh, row, block, more);
  } else if (problem.addend != nullptr) {
    load_block(problem.addend + row * problem.dim, block, more);
  } else {
    return;
  }
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] += more[i];
  store_block(v, problem.x + row * problem.dim, block);
}

/// kWarpBlocks: blocks of a row that a warp holds.
template <int kWarpBlocks>
__global__ void __launch_bounds__(kMostThreads)
    norm_stage_kernel(const __grid_constant__ NormQuantizeProblem problem) {
  __shared__ float warp_squares[kMostWarps];
  __shared__ float scratch[2 * kMostRowWarps];
  dependents_launch();
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const int64_t row = blockIdx.x;
  const int64_t blocks = problem.dim / kBlock;

  float weight[kWarpBlocks][kLaneNumbers] = {};
  LaneScales svh[kWarpBlocks] = {};
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int64_t block = warp + b * warps;
    if (block >= blocks) continue;
    load_block(problem.weight, block, weight[b]);
    if (problem.products.inner != nullptr) svh[b] = load_scales(problem.products.svh, block);
  }
  dependencies_wait();

  float v[kWarpBlocks][kLaneNumbers] = {};
  float squares = 0.0f;
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
    const int64_t block = warp + b * warps;
    if (block >= blocks) continue;
    load_block(problem.x + row * problem.dim, block, v[b]);
    add_block(problem, svh[b], row, block, v[b]);
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) squares += v[b][i] * v[b][i];
  }
  squares = warp_sum(squares);
  if (threadIdx.x % kWarp == 0) warp_squares[warp] = squares;
  __syncthreads();
  float total = 0.0f;
  for (int w = 0; w < warps; ++w) total += warp_squares[w];
  const float scale = 1.0f / sqrtf(total / static_cast<float>(problem.dim) + problem.epsilon);
#pragma unroll
  for (int b = 0; b < kWarpBlocks; ++b) {
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) v[b][i] = v[b][i] * scale * weight[b][i];
  }

#pragma unroll 1
  for (int m = 0; m < problem.num_matrices; ++m) {
    float input[kWarpBlocks][kLaneNumbers];
#pragma unroll
    for (int b = 0; b < kWarpBlocks; ++b) {
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) input[b][i] = v[b][i];
    }
    float* own_scratch = scratch + m % 2 * kMostRowWarps;
    stage_row(input, problem.suh[m], blocks, problem.staged[m], row, own_scratch);
  }
}

}  // namespace

void exl3_norm_stage(cudaStream_t stream, const NormQuantizeProblem& problem) {
  const int64_t blocks = problem.staged[0].steps / 2;
  const bool fits_once = blocks <= kMostWarps;
  const int64_t warps = fits_once ? blocks : (blocks + kMostWarpBlocks - 1) / kMostWarpBlocks;
  launch(
      stream, {static_cast<unsigned>(problem.rows), static_cast<unsigned>(warps * kWarp), 0, true},
      fits_once ? norm_stage_kernel<1> : norm_stage_kernel<kMostWarpBlocks>, problem
  );
}

}  // namespace trellis::cuda
