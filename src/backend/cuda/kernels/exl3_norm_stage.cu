// The same as exl3_norm_quantize.cu for many rows, in the order of exl3_stage.h. A CTA owns a row,
// a warp every n-th block of 128 numbers of it, from the addend to the rounded halves: the row
// stays in registers, only the sum of squares and the largest number cross warps, in a fixed order.
// A warp has four blocks, so that an SM holds several rows: some load while others wait. With few
// rows it has one, and the CTAs of a cluster share the row.
//
// Traffic: the row and the addend in, the row out, 2 bytes a number and matrix out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/stage_row.cuh"
#include "backend/cuda/kernels/exl3_norm_quantize.h"

#include <cuda_fp16.h>

#include <algorithm>
#include <type_traits>

namespace trellis::cuda {
namespace {

/// Warps of a CTA, at most: as registers allow.
constexpr int kMostWarps = 16;
constexpr int kMostWarpBlocks = 4;
/// What registers are shared out for, so that an SM holds three rows of 4096 numbers.
constexpr int kBoundWarps = 24;

static_assert(
    kMostNormStageNumbers == kMostWarpBlocks * kMostWarps * kBlock &&
        kMostNormStageNumbers == kSharingCtas * kMostWarps * kBlock,
    "a CTA, or a cluster with one block a warp, holds a row"
);

/// kWarpBlocks: blocks of a row that a warp holds. kCtas: that share a row. Number: of the
/// products.
template <int kWarpBlocks, int kCtas, typename Number>
__global__ void __launch_bounds__(kBoundWarps* kWarp)
    norm_stage_kernel(const __grid_constant__ NormQuantizeProblem problem) {
  using Warps = RowWarps<kCtas>;
  // Matrices whose inputs are in registers together, and wait for each other once.
  constexpr int kTogether = kWarpBlocks == 1 ? kMostMatrices : 1;
  __shared__ float warp_squares[Warps::kMost];
  __shared__ float largest[std::max(kTogether, 2)][Warps::kMost];
  dependents_launch();
  const Warps warps;
  const int64_t row = warps.row();
  const int64_t blocks = problem.dim / kBlock;
  const bool has_products = problem.products.inner != nullptr;
  const bool has_addend = has_products || problem.addend != nullptr;
  // Calls visit(b, block) for the warp's blocks.
  const auto visit_blocks = [&](const auto& visit) {
#pragma unroll
    for (int b = 0; b < kWarpBlocks; ++b) {
      const int64_t block = warps.index + b * warps.count;
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
    load_row_scales(warps, problem.suh[0], blocks, suh);
  }
  warps.begin();
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
  warps.say(warp_squares, warp_sum(squares));
  visit_blocks([&](int b, int64_t block) {
    if (!kIsEarly) load_weight(b, block);
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) v[b][i] *= weight[b][i];
  });

  // What the norm divides the row by changes nothing but its unit, so the sum of squares is heard
  // with the largest numbers.
  float norm_scale = 0.0f;
#pragma unroll 1
  for (int first = 0; first < problem.num_matrices; first += kTogether) {
    float input[kTogether][kWarpBlocks][kLaneNumbers];
    // Of one matrix at a time, those of the last are still being read.
    const auto place = [&](int m) { return kTogether > 1 ? m : first % 2; };
#pragma unroll
    for (int m = 0; m < kTogether; ++m) {
      if (first + m >= problem.num_matrices) continue;
#pragma unroll
      for (int b = 0; b < kWarpBlocks; ++b) {
#pragma unroll
        for (int i = 0; i < kLaneNumbers; ++i) input[m][b][i] = v[b][i];
      }
      if (!kIsEarly || first + m > 0) load_row_scales(warps, problem.suh[first + m], blocks, suh);
      warps.say(largest[place(m)], rotate_blocks(warps, input[m], suh, blocks));
    }
    warps.listen();
    if (first == 0) {
      float of_lane = 0.0f;
      for (int w = static_cast<int>(threadIdx.x) % kWarp; w < warps.count; w += kWarp) {
        of_lane += warp_squares[w];
      }
      const float mean = warp_sum(of_lane) / static_cast<float>(problem.dim);
      norm_scale = 1.0f / sqrtf(mean + problem.epsilon);
    }
#pragma unroll
    for (int m = 0; m < kTogether; ++m) {
      if (first + m >= problem.num_matrices) continue;
      store_blocks(warps, input[m], largest[place(m)], norm_scale, problem.staged[first + m]);
    }
  }
}

}  // namespace

void exl3_norm_stage(cudaStream_t stream, const NormQuantizeProblem& problem) {
  const int64_t blocks = problem.staged[0].steps / 2;
  const auto start = [&]<int kWarpBlocks, int kCtas, typename Number>() {
    constexpr int kRowBlocks = kWarpBlocks * kCtas;
    const auto warps = static_cast<unsigned>((blocks + kRowBlocks - 1) / kRowBlocks);
    const auto grid = static_cast<unsigned>(problem.rows * kCtas);
    launch(
        stream, {grid, warps * kWarp, 0, true, kCtas},
        norm_stage_kernel<kWarpBlocks, kCtas, Number>, problem
    );
  };
  const bool halves = problem.products.type == FloatType::kFloat16;
  if (halves) return start.template operator()<kMostWarpBlocks, 1, __half>();
  if (problem.row_ctas == 1) return start.template operator()<kMostWarpBlocks, 1, float>();
  start.template operator()<1, kSharingCtas, float>();
}

}  // namespace trellis::cuda
