// A CTA owns a row of one matrix: its largest block scale is the unit. A thread makes pieces of
// eight halves; eight neighbours read 128 bytes and write 128. Traffic: 2 bytes a number in and
// out.
#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_fp16.h>

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads)
    stage_input_kernel(const __grid_constant__ StageProblem problem) {
  dependents_launch();
  dependencies_wait();
  const int64_t row = blockIdx.x;
  const QuantizedInput& in = problem.in[blockIdx.y];
  const StagedInput& out = problem.out[blockIdx.y];
  const int tid = static_cast<int>(threadIdx.x);
  const auto stride = static_cast<int>(in.stride);
  const float* scales = in.scales + row * (stride / 128);
  const float unit = row_unit(scales, stride / 128) * kLargestInteger;
  const float inverse = unit > 0.0f ? 1.0f / unit : 0.0f;
  if (tid < kWarp) {
    float divisor = 1.0f;
    if (in.norm.squares != nullptr) {
      float squares = 0.0f;
      for (int block = tid; block < stride / 128; block += kWarp) {
        squares += in.norm.squares[row * (stride / 128) + block];
      }
      divisor = root_mean_square(in.norm, squares);
    }
    if (tid == 0) out.units[row] = unit / divisor;
  }

  const int16_t* integers = in.integers + row * stride;
  auto* pieces = reinterpret_cast<uint4*>(out.halves);
  const int steps = stride / kStepInputs;
  for (int i = tid; i < steps * kStagePieces; i += kThreads) {
    const int step = i / kStagePieces;
    const int piece = i % kStagePieces;
    const float scale = scales[step * kStepInputs / 128] * inverse;
    uint32_t pairs[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int input = step * kStepInputs + input_of_stage(piece, 2 * j);
      const uint32_t pair = *reinterpret_cast<const uint32_t*>(integers + input);
      pairs[j] = as_bits(__floats2half2_rn(
          static_cast<float>(static_cast<int16_t>(pair & 0xFFFFu)) * scale,
          static_cast<float>(static_cast<int16_t>(pair >> 16)) * scale
      ));
    }
    pieces[stage_place(row, step, piece, steps)] =
        make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
  }
}

}  // namespace

void exl3_stage_input(cudaStream_t stream, const StageProblem& problem) {
  const dim3 grid(static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.num_matrices));
  launch(stream, {grid, kThreads, 0, true}, stage_input_kernel, problem);
}

}  // namespace trellis::cuda
