// Kernels that do what a kernel must not, each in one way.
#include "simt/kernels.h"
#include "simt/ptx.h"

namespace trellis::simt_test {

__global__ void leave_before_shuffle(int* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_sync(0xFFFFFFFFu, static_cast<int>(threadIdx.x), 0);
}

__global__ void skip_barrier_in_one_warp(int* out) {
  if (threadIdx.x == 33) {
    __syncwarp(3u);
  } else if (threadIdx.x / 32 != 1) {
    __syncthreads();
  }
  out[threadIdx.x] = 1;
}

__global__ void leave_before_barrier(int* out) {
  if (threadIdx.x >= 32) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void skip_cluster_barrier_in_one_block(int* out) {
  if (blockIdx.x == 1 && threadIdx.x == 1) {
    __syncwarp(3u);
  } else {
    cuda::cluster_barrier();
  }
  out[blockIdx.x] = 1;
}

__global__ void store_beyond_cluster(int* out) {
  __shared__ float word;
  cuda::cluster_barrier();
  cuda::store_cluster_shared(cuda::shared_address(&word), 2, 1.0f);
  out[blockIdx.x] = 1;
}

__global__ void read_unaligned_shared_memory(int* out) {
  __shared__ __align__(16) uint4 words[2];
  words[0] = make_uint4(1, 2, 3, 4);
  out[0] = static_cast<int>(cuda::load_shared_128(cuda::shared_address(words) + 4).x);
}

__global__ void wait_for_bytes_that_never_come(int* out) {
  __shared__ __align__(8) uint64_t barrier;
  cuda::mbarrier_init(cuda::shared_address(&barrier), 1);
  cuda::mbarrier_arrive_expect_tx(cuda::shared_address(&barrier), 32);
  while (!cuda::mbarrier_try_wait_parity(cuda::shared_address(&barrier), 0)) {
  }
  out[0] = 1;
}

__global__ void overrun_shared_array(int index, int* out) {
  __shared__ int words[5];
  int* word = words;
  word[index] = 1;
  out[0] = word[index];
}

__global__ void overrun_dynamic_shared_memory(int index, int* out) {
  TRELLIS_DYNAMIC_SHARED(shared);
  reinterpret_cast<int*>(shared)[index] = 1;
  out[0] = reinterpret_cast<int*>(shared)[index];
}

__global__ void write_global(int index, int* out) {
  out[index] = 1;
}

__global__ void exchange_without_barrier(int* out) {
  __shared__ int words[64];
  words[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = words[63 - threadIdx.x];
}

__global__ void exchange_with_barrier(int* out) {
  __shared__ int words[64];
  for (int round = 0; round < 3; ++round) {
    words[threadIdx.x] = static_cast<int>(threadIdx.x) + round;
    __syncthreads();
    out[threadIdx.x] = words[63 - threadIdx.x];
    __syncthreads();
  }
}

__global__ void exchange_within_warp(bool synchronise, int* out) {
  __shared__ int words[64];
  words[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (synchronise) __syncwarp();
  out[threadIdx.x] = words[threadIdx.x ^ 1];
}

}  // namespace trellis::simt_test
