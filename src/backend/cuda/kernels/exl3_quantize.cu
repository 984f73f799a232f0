// A warp owns one block of 128 numbers of a row for one matrix: scale by suh, transform, round.
// Traffic: x once per matrix, 2 bytes per number out.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_fp16.h>

namespace trellis::cuda {
namespace {

__global__ void __launch_bounds__(kWarp)
    quantize_kernel(const __grid_constant__ QuantizeProblem problem) {
  dependents_launch();
  const int lane = static_cast<int>(threadIdx.x);
  const int64_t block = blockIdx.y;
  const int64_t row = blockIdx.x;
  const QuantizedInput& out = problem.out[blockIdx.z];
  const auto* suh = reinterpret_cast<const __half*>(problem.suh[blockIdx.z]);
  const int64_t first = block * kBlock + lane * kLaneNumbers;
  float scale[kLaneNumbers];
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    scale[i] = first + i < problem.in_features ? __half2float(suh[first + i]) : 0.0f;
  }
  dependencies_wait();
  float v[kLaneNumbers];
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t k = first + i;
    v[i] = k < problem.in_features ? problem.x[row * problem.in_features + k] * scale[i] : 0.0f;
  }
  hadamard_block(v);
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] *= kHadamardScale;
  store_quantized(
      v, out.integers + row * out.stride + block * kBlock,
      out.scales + row * (out.stride / kBlock) + block
  );
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
