// A warp owns one block of 128 numbers of a row, four to a lane. Traffic: the row in and out.
#include "backend/cuda/device/hadamard.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/exl3_rotate.h"

#include <cuda_fp16.h>

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;

__device__ __forceinline__ float scale_of(const uint16_t* scales, int64_t i) {
  return __half2float(reinterpret_cast<const __half*>(scales)[i]);
}

/// The block that a warp owns; the last warps of a row may have none.
__device__ __forceinline__ int64_t block_of_warp() {
  return static_cast<int64_t>(blockIdx.y) * kWarps + threadIdx.x / kWarp;
}

__global__ void __launch_bounds__(kThreads) rotate_input_kernel(
    const uint16_t* suh, const float* x, float* out, int64_t blocks, int64_t in_features
) {
  dependents_launch();
  dependencies_wait();
  const int64_t block = block_of_warp();
  if (block >= blocks) return;
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

__global__ void __launch_bounds__(kThreads) rotate_output_kernel(
    const uint16_t* svh, const float* bias, const float* inner, float* y, int64_t blocks,
    int64_t out_features
) {
  dependents_launch();
  dependencies_wait();
  const int64_t block = block_of_warp();
  if (block >= blocks) return;
  const int64_t row = blockIdx.x;
  const int64_t first = block * kBlock + threadIdx.x % kWarp * kLaneNumbers;
  float v[kLaneNumbers];
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] = inner[row * blocks * kBlock + first + i];
  hadamard_block(v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t n = first + i;
    if (n >= out_features) break;
    const float value = v[i] * kHadamardScale * scale_of(svh, n);
    y[row * out_features + n] = value + (bias != nullptr ? bias[n] : 0.0f);
  }
}

/// Rows lie along x, which alone may be longer than 65,535.
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

void exl3_rotate_output(
    cudaStream_t stream, const Exl3Matrix& matrix, const float* inner, float* y, int64_t rows
) {
  const int64_t blocks = matrix.padded_out() / kBlock;
  launch(
      stream, {grid_for(blocks, rows), kThreads, 0, true}, rotate_output_kernel, matrix.svh,
      matrix.bias, inner, y, blocks, matrix.out_features
  );
}

}  // namespace trellis::cuda
