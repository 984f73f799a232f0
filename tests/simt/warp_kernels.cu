#include "simt/kernels.h"

namespace trellis::simt_test {

__global__ void shuffle_every_way(const uint64_t* in, uint64_t* out) {
  const unsigned lane = threadIdx.x;
  const uint64_t wide = in[lane];
  const float narrow = static_cast<float>(lane) + 0.5f;
  uint64_t* own = out + lane * kShuffleWords;
  own[0] = __shfl_sync(0xFFFFFFFFu, wide, 5);
  own[1] = __shfl_up_sync(0xFFFFFFFFu, wide, 3);
  own[2] = __shfl_down_sync(0xFFFFFFFFu, wide, 3);
  own[3] = __shfl_xor_sync(0xFFFFFFFFu, wide, 9);
  own[4] = __shfl_sync(0xFFFFFFFFu, wide, 1, 8);
  own[5] = static_cast<uint64_t>(2.0f * __shfl_sync(0xFFFFFFFFu, narrow, 5));
  own[6] = static_cast<uint64_t>(2.0f * __shfl_up_sync(0xFFFFFFFFu, narrow, 3));
  own[7] = static_cast<uint64_t>(2.0f * __shfl_down_sync(0xFFFFFFFFu, narrow, 3, 16));
  own[8] = static_cast<uint64_t>(2.0f * __shfl_xor_sync(0xFFFFFFFFu, narrow, 9, 8));
  own[9] = static_cast<uint64_t>(2.0f * __shfl_up_sync(0xFFFFFFFFu, narrow, 3, 8));
}

__global__ void sum_by_halves_of_a_warp(const int* in, int* out) {
  const unsigned lane = threadIdx.x;
  int sum = in[lane];
  if (lane < 12) {
    sum = __reduce_add_sync(0x00000FFFu, sum);
  } else {
    for (int step = 16; step > 0; step /= 2) {
      const int other = __shfl_xor_sync(0xFFFFF000u, sum, step);
      if ((lane ^ step) >= 12) sum += other;
    }
  }
  out[lane] = sum;
}

__global__ void vote_every_way(const int* in, unsigned* out) {
  const unsigned lane = threadIdx.x;
  const int value = in[lane];
  unsigned* own = out + lane * kVoteWords;
  own[0] = __ballot_sync(0xFFFFFFFFu, value < 0);
  own[1] = static_cast<unsigned>(__any_sync(0xFFFFFFFFu, lane == 31));
  own[2] = static_cast<unsigned>(__all_sync(0xFFFFFFFFu, lane != 31));
  own[3] = __match_any_sync(0xFFFFFFFFu, value & 3);
  own[4] = static_cast<unsigned>(__reduce_add_sync(0xFFFFFFFFu, value));
  own[5] = static_cast<unsigned>(__reduce_min_sync(0xFFFFFFFFu, value));
  own[6] = static_cast<unsigned>(__reduce_max_sync(0xFFFFFFFFu, value));
  own[7] = __reduce_min_sync(0xFFFFFFFFu, static_cast<unsigned>(value));
  own[8] = __reduce_max_sync(0xFFFFFFFFu, static_cast<unsigned>(value));
  own[9] = __reduce_or_sync(0xFFFFFFFFu, 1u << lane & 0x00FF00FFu);
}

namespace {

__device__ float sum_of_block(float value) {
  __shared__ float partial[32];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
  if (threadIdx.x < 32) {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, step);
  }
  return value;
}

}  // namespace

__global__ void __launch_bounds__(1024) block_sum(const float* in, int count, float* out) {
  float sum = 0.0f;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < static_cast<unsigned>(count);
       i += gridDim.x * blockDim.x) {
    sum += in[i];
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) atomicAdd(out, sum);
}

__global__ void hadamard_128(float* x) {
  const unsigned lane = threadIdx.x % 32;
  float* row = x + (blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32) * 128 + lane * 4;
  float v[4] = {row[0], row[1], row[2], row[3]};
#pragma unroll
  for (int step = 1; step < 4; step *= 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i & step) continue;
      const float a = v[i];
      const float b = v[i + step];
      v[i] = a + b;
      v[i + step] = a - b;
    }
  }
#pragma unroll
  for (unsigned step = 1; step < 32; step *= 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float other = __shfl_xor_sync(0xFFFFFFFFu, v[i], step);
      v[i] = lane & step ? other - v[i] : v[i] + other;
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) row[i] = v[i];
}

}  // namespace trellis::simt_test
