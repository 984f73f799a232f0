// x += a; then suh, H and rounding of x * weight for each matrix. What rms_norm divides by is one
// number of the row, which rounding with a scale does not feel: only the sum of squares of each
// block is left here, and the product divides by the root of their mean (RowNorm). So blocks need
// not wait for each other: a CTA owns a block of 128 numbers of a row, a warp of it a matrix.
//
// Traffic: the row and the addend in once per matrix (from L1), the row out, 2 bytes a number and
// matrix out. Bound by latency.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/exl3_norm_quantize.h"

namespace trellis::cuda {
namespace {

__global__ void __launch_bounds__(kMostMatrices* kWarp)
    norm_quantize_kernel(const __grid_constant__ NormQuantizeProblem problem) {
  dependents_launch();
  const int matrix = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t row = blockIdx.x;
  const int64_t block = blockIdx.y;
  const QuantizedInput& out = problem.out[matrix];
  float* squares = out.norm.squares + row * (out.stride / kBlock) + block;
  float v[kLaneNumbers] = {};
  if (block >= problem.dim / kBlock) {
    // Behind the inputs, up to a whole chunk of the layout.
    dependencies_wait();
    if (threadIdx.x % kWarp == 0) *squares = 0.0f;
    return store_input(v, LaneScales(), out, row, block);
  }
  float weight[kLaneNumbers];
  load_block(problem.weight, block, weight);
  const bool has_products = problem.products.inner != nullptr;
  const LaneScales svh = has_products ? load_scales(problem.products.svh, block) : LaneScales();
  const LaneScales suh = load_scales(problem.suh[matrix], block);
  dependencies_wait();

  float* x = problem.x + row * problem.dim;
  load_block(x, block, v);
  if (has_products || problem.addend != nullptr) {
    float more[kLaneNumbers];
    if (has_products) {
      finish_outputs<float>(problem.products, svh, row, block, more);
    } else {
      load_block(problem.addend + row * problem.dim, block, more);
    }
#pragma unroll
    for (int i = 0; i < kLaneNumbers; ++i) v[i] += more[i];
    __syncthreads();  // all warps have read x
    if (matrix == 0) store_block(v, x, block);
  }
  const float sum = warp_sum(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]);
  if (threadIdx.x % kWarp == 0) *squares = sum;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] *= weight[i];
  store_input(v, suh, out, row, block);
}

}  // namespace

void exl3_norm_quantize(cudaStream_t stream, const NormQuantizeProblem& problem) {
  const dim3 grid(
      static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.out[0].stride / kBlock)
  );
  const auto threads = static_cast<unsigned>(problem.num_matrices * kWarp);
  launch(stream, {grid, threads, 0, true}, norm_quantize_kernel, problem);
}

}  // namespace trellis::cuda
