#include "simt/kernels.h"
#include "simt/ptx.h"

namespace trellis::simt_test {

__global__ void copy_in_two_groups(const uint4* in, uint4* out) {
  __shared__ __align__(16) uint4 slots[3];
  for (uint4& slot : slots) slot = make_uint4(7, 7, 7, 7);
  const uint32_t address = cuda::shared_address(slots);
  cuda::cp_async_16(address, in);
  cuda::cp_async_commit();
  cuda::cp_async_16(address + 16, in + 1);
  cuda::cp_async_16_zero(address + 32, nullptr, false);
  cuda::cp_async_commit();
  for (int i = 0; i < 3; ++i) out[i] = slots[i];
  cuda::cp_async_wait<1>();
  for (int i = 0; i < 3; ++i) out[3 + i] = slots[i];
  cuda::cp_async_wait<0>();
  for (int i = 0; i < 3; ++i) out[6 + i] = cuda::load_shared_128(address + 16 * i);
}

__global__ void sum_by_bulk_copies(const float* in, int slots, float* out) {
  constexpr int kSlots = 2;
  constexpr int kFloats = 64;  // of a slot
  __shared__ __align__(16) float ring[kSlots][kFloats];
  __shared__ __align__(8) uint64_t full[kSlots];
  __shared__ __align__(8) uint64_t empty[kSlots];
  if (threadIdx.x == 0) {
    for (int i = 0; i < kSlots; ++i) {
      cuda::mbarrier_init(cuda::shared_address(&full[i]), 1);
      cuda::mbarrier_init(cuda::shared_address(&empty[i]), kFloats);
    }
  }
  __syncthreads();
  if (threadIdx.x == kFloats) {
    for (int i = 0; i < slots; ++i) {
      const int slot = i % kSlots;
      const uint32_t round = static_cast<uint32_t>(i / kSlots);
      // The first round finds its slot empty: the phase before the first counts as over.
      while (!cuda::mbarrier_try_wait_parity(cuda::shared_address(&empty[slot]), (round & 1) ^ 1)) {
      }
      const uint32_t barrier = cuda::shared_address(&full[slot]);
      cuda::mbarrier_arrive_expect_tx(barrier, sizeof(ring[0]));
      cuda::bulk_copy_global_to_shared(
          cuda::shared_address(ring[slot]), in + i * kFloats, sizeof(ring[0]), barrier
      );
    }
  } else if (threadIdx.x < kFloats) {
    float sum = 0.0f;
    for (int i = 0; i < slots; ++i) {
      const int slot = i % kSlots;
      const uint32_t round = static_cast<uint32_t>(i / kSlots);
      while (!cuda::mbarrier_try_wait_parity(cuda::shared_address(&full[slot]), round & 1)) {
      }
      sum += ring[slot][threadIdx.x];
      cuda::mbarrier_arrive(cuda::shared_address(&empty[slot]));
    }
    out[threadIdx.x] = sum;
  }
}

__global__ void read_fresh_shared_memory(unsigned* out) {
  __shared__ unsigned word;
  TRELLIS_DYNAMIC_SHARED(dynamic);
  auto* dynamic_word = reinterpret_cast<unsigned*>(dynamic);
  out[blockIdx.x * 2] = word;
  out[blockIdx.x * 2 + 1] = *dynamic_word;
  word = *dynamic_word = blockIdx.x;
}

__global__ void gather_over_cluster(const float* in, float* out) {
  __shared__ float gathered[kClusterBlocks];
  const unsigned rank = blockIdx.x % kClusterBlocks;
  cuda::cluster_barrier();
  if (threadIdx.x < kClusterBlocks) {
    cuda::store_cluster_shared(cuda::shared_address(gathered + rank), threadIdx.x, in[blockIdx.x]);
  }
  cuda::cluster_barrier();
  if (threadIdx.x < kClusterBlocks) {
    out[blockIdx.x * kClusterBlocks + threadIdx.x] = gathered[threadIdx.x];
  }
}

}  // namespace trellis::simt_test
