// The same as exl3_norm_quantize.cu for many rows, in the order of exl3_stage.h. A CTA owns a row,
// a warp every n-th block of 128 numbers of it, from the addend to the rounded halves: the row
// stays in registers, only the sum of squares and the largest number cross warps, in a fixed order.
// A warp has one block, or with many rows four, so that an SM holds several rows: some load while
// others wait.
//
// Traffic: the row and the addend in, the row out, 2 bytes a number and matrix out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_norm_quantize.h"

#include <cuda_fp16.h>

#include <type_traits>

namespace trellis::cuda {
namespace {

/// Warps of a CTA, at most: with a block each as many as there are, else as registers allow.
template <int kWarpBlocks>
inline constexpr int kMostWarps = kWarpBlocks == 1 ? kMostRowWarps : 16;

/// CTAs of so many warps for which an SM keeps registers. With several blocks registers bound how
/// many rows an H100 holds; other GPUs do not run this kernel.
template <int kWarpBlocks>
inline constexpr int kCtasPerSm = kHasWgmma && kWarpBlocks > 1 ? 2 : 1;

static_assert(
    kMostNormStageNumbers == kMostNormStageBlocks * kMostWarps<kMostNormStageBlocks> * kBlock &&
        kMostNormStageNumbers == 2 * kMostWarps<1> * kBlock,
    "a CTA holds a row"
);

/// kWarpBlocks: blocks of a row that a warp holds. Number: of the products.
template <int kWarpBlocks, typename Number>
__global__ void __launch_bounds__(kMostWarps<kWarpBlocks>* kWarp, kCtasPerSm<kWarpBlocks>)
    norm_stage_kernel(const __grid_constant__ NormQuantizeProblem problem) {
  __shared__ float warp_squares[kMostWarps<kWarpBlocks>];
  __shared__ float scratch[2 * kMostRowWarps];
  dependents_launch();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = warp_index();
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const int64_t row = blockIdx.x;
  const int64_t blocks = problem.dim / kBlock;
  const bool has_products = problem.products.inner != nullptr;
  const bool has_addend = has_products || problem.addend != nullptr;
  // Calls visit(b, block) for the warp's blocks.
  const auto visit_blocks = [&](const auto& visit) {
#pragma unroll
    for (int b = 0; b < kWarpBlocks; ++b) {
      const int64_t block = warp + b * warps;
      if (block < blocks) visit(b, block);
    }
  };
  // What does not wait for the kernel in front. More than one block's would be too many registers.
  constexpr bool kIsEarly = kWarpBlocks == 1;
  float weight[kWarpBlocks][kLaneNumbers] = {};
  LaneScales svh[kWarpBlocks] = {};
  LaneScales suh[kWarpBlocks] = {};
  const auto load_weight = [&](int b, int64_t block) {
    load_block(problem.weight, block, weight[b]);
  };
  const auto load_svh = [&](int b, int64_t block) {
    if (has_products) svh[b] = load_scales(problem.products.svh, block);
  };
  if (kIsEarly) {
    visit_blocks(load_weight);
    visit_blocks(load_svh);
    load_row_scales(problem.suh[0], blocks, suh);
  }
  dependencies_wait();

  float* x = problem.x + row * problem.dim;
  const float unit = has_products ? load_unit<Number>(problem.products, row) : 1.0f;
  float v[kWarpBlocks][kLaneNumbers] = {};
  // An addend comes in fp32, and many rows of products in up to two parts of halves.
  constexpr bool kHasHalves = std::is_same_v<Number, __half>;
  FirstParts<Number, kHasHalves ? 2 : 1> more[kWarpBlocks];
  visit_blocks([&](int b, int64_t block) {
    load_block(x, block, v[b]);
    if (has_products) {
      more[b] = load_first_parts<Number, kHasHalves ? 2 : 1>(problem.products, row, block);
    } else if constexpr (!kHasHalves) {
      if (has_addend) more[b].words[0] = load_words(problem.addend + row * problem.dim, block);
    }
  });
  float squares = 0.0f;
  visit_blocks([&](int b, int64_t block) {
    if (!kIsEarly) load_svh(b, block);
    if (has_addend) {
      float addend[kLaneNumbers];
      if (has_products) {
        finish_parts(problem.products, more[b], unit, svh[b], row, block, addend);
      } else {
        widen(more[b].words[0], addend);
      }
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) v[b][i] += addend[i];
      store_block(v[b], x, block);
    }
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) squares += v[b][i] * v[b][i];
  });
  squares = warp_sum(squares);
  if (lane == 0) warp_squares[warp] = squares;
  __syncthreads();
  const float total = warp_sum(lane < warps ? warp_squares[lane] : 0.0f);
  const float scale = 1.0f / sqrtf(total / static_cast<float>(problem.dim) + problem.epsilon);
  visit_blocks([&](int b, int64_t block) {
    if (!kIsEarly) load_weight(b, block);
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) v[b][i] = v[b][i] * scale * weight[b][i];
  });

#pragma unroll 1
  for (int m = 0; m < problem.num_matrices; ++m) {
    float input[kWarpBlocks][kLaneNumbers];
#pragma unroll
    for (int b = 0; b < kWarpBlocks; ++b) {
#pragma unroll
      for (int i = 0; i < kLaneNumbers; ++i) input[b][i] = v[b][i];
    }
    if (!kIsEarly || m > 0) load_row_scales(problem.suh[m], blocks, suh);
    float* own_scratch = scratch + m % 2 * kMostRowWarps;
    stage_row(input, suh, blocks, problem.staged[m], row, own_scratch);
  }
}

template <typename Number>
void launch_norm_stage(cudaStream_t stream, const NormQuantizeProblem& problem) {
  const int64_t blocks = problem.staged[0].steps / 2;
  const bool one = problem.warp_blocks == 1;
  const int64_t warps = (blocks + problem.warp_blocks - 1) / problem.warp_blocks;
  launch(
      stream, {static_cast<unsigned>(problem.rows), static_cast<unsigned>(warps * kWarp), 0, true},
      one ? norm_stage_kernel<1, Number> : norm_stage_kernel<kMostNormStageBlocks, Number>, problem
  );
}

}  // namespace

void exl3_norm_stage(cudaStream_t stream, const NormQuantizeProblem& problem) {
  const bool halves = problem.products.type == FloatType::kFloat16;
  halves ? launch_norm_stage<__half>(stream, problem) : launch_norm_stage<float>(stream, problem);
}

}  // namespace trellis::cuda
