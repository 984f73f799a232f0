// A warp owns one block of 128 numbers of a row, four to a lane. Traffic: the row in and out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/exl3_rotate.h"

#include <cuda_fp16.h>

#include <algorithm>

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;

__device__ __forceinline__ float scale_of(const uint16_t* scales, int64_t i) {
  return __half2float(reinterpret_cast<const __half*>(scales)[i]);
}

/// The block and row of a warp, or false behind the last.
__device__ __forceinline__ bool find_block(int64_t blocks, int64_t& block) {
  block = static_cast<int64_t>(blockIdx.y) * kWarps + threadIdx.x / kWarp;
  return block < blocks;
}

__global__ void __launch_bounds__(kThreads) rotate_input_kernel(
    const uint16_t* suh, const float* x, float* out, int64_t blocks, int64_t in_features
) {
  dependents_launch();
  dependencies_wait();
  int64_t block = 0;
  if (!find_block(blocks, block)) return;
  const int64_t row = blockIdx.x;
  const int64_t first = block * kBlock + threadIdx.x % kWarp * kLaneNumbers;
  float v[kLaneNumbers];
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t k = first + i;
    v[i] = k < in_features ? x[row * in_features + k] * scale_of(suh, k) : 0.0f;
  }
  hadamard_block(v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    out[row * blocks * kBlock + first + i] = v[i] * kHadamardScale;
  }
}

struct RotatedOutputs {
  RotatedOutput matrices[kMostMatrices];
};

/// Number: of all products.
template <typename Number>
__global__ void __launch_bounds__(kThreads)
    rotate_output_kernel(const __grid_constant__ RotatedOutputs outputs) {
  const RotatedOutput& output = outputs.matrices[blockIdx.z];
  const int64_t out_features = output.products.out_features;
  dependents_launch();
  int64_t block = 0;
  if (!find_block(output.products.padded_out / kBlock, block)) return;
  const LaneScales svh = load_scales(output.products.svh, block);
  dependencies_wait();
  const int64_t row = blockIdx.x;
  float v[kLaneNumbers];
  finish_outputs<Number>(output.products, svh, row, block, v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t n = first_of_lane(block) + i;
    if (n >= out_features) break;
    float& y = output.y[row * out_features + n];
    y = output.add ? y + v[i] : v[i];
  }
}

/// Rows on the first axis: it alone may be longer than 65,535.
dim3 grid_for(int64_t blocks, int64_t rows) {
  return {static_cast<unsigned>(rows), static_cast<unsigned>((blocks + kWarps - 1) / kWarps)};
}

}  // namespace

void exl3_rotate_input(
    cudaStream_t stream, const Exl3Matrix& matrix, const float* x, float* out, int64_t rows
) {
  const int64_t blocks = matrix.padded_in() / kBlock;
  launch(
      stream, {grid_for(blocks, rows), kThreads, 0, true}, rotate_input_kernel, matrix.suh, x, out,
      blocks, matrix.in_features
  );
}

void exl3_rotate_outputs(
    cudaStream_t stream, std::span<const RotatedOutput> outputs, int64_t rows
) {
  RotatedOutputs all;
  int64_t blocks = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    all.matrices[i] = outputs[i];
    blocks = std::max(blocks, outputs[i].products.padded_out / kBlock);
  }
  dim3 grid = grid_for(blocks, rows);
  grid.z = static_cast<unsigned>(outputs.size());
  const bool halves = outputs[0].products.type == FloatType::kFloat16;
  launch(
      stream, {grid, kThreads, 0, true},
      halves ? rotate_output_kernel<__half> : rotate_output_kernel<float>, all
  );
}

}  // namespace trellis::cuda
