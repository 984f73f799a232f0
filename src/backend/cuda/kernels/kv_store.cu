// cache[page, head, offset, :] = source[row, head, :], rounded or quantized to the cache's type. A
// CTA owns a row and a head. Floats: a thread moves one number, consecutive threads write
// consecutive ones. Quantized: a thread packs a group of 32 channels.
#include "backend/cuda/device/kv_writer.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/kv_store.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;

/// The numbers of the CTA's row and head.
__device__ __forceinline__ const float* head_numbers(const float* source, int heads, int head_dim) {
  return source + (static_cast<int64_t>(blockIdx.x) * heads + blockIdx.y) * head_dim;
}

__global__ void __launch_bounds__(kThreads) store_numbers_kernel(
    const float* source, const int32_t* slots, const __grid_constant__ KvRows cache, int heads,
    int head_dim
) {
  dependents_launch();
  dependencies_wait();
  const float* from = head_numbers(source, heads, head_dim);
  const int64_t row = cache_row(slots[blockIdx.x], heads, static_cast<int>(blockIdx.y));
  for (int i = static_cast<int>(threadIdx.x); i < head_dim; i += kThreads) {
    store_number(from[i], cache, row * head_dim + i);
  }
}

__global__ void __launch_bounds__(kThreads) store_quantized_kernel(
    const float* source, const int32_t* slots, const __grid_constant__ KvRows cache, int heads,
    int head_dim
) {
  dependents_launch();
  dependencies_wait();
  const float* from = head_numbers(source, heads, head_dim);
  const int groups = head_dim / exl3::kKvGroup;
  const int64_t row = cache_row(slots[blockIdx.x], heads, static_cast<int>(blockIdx.y));
  for (int g = static_cast<int>(threadIdx.x); g < groups; g += kThreads) {
    store_group(from + g * exl3::kKvGroup, cache, row * groups + g);
  }
}

}  // namespace

void kv_store(
    cudaStream_t stream, const float* source, const int32_t* slots, const KvRows& cache,
    int64_t rows, int heads, int head_dim
) {
  const LaunchShape shape = {
      dim3(static_cast<unsigned>(rows), static_cast<unsigned>(heads)), kThreads, 0, true
  };
  launch(
      stream, shape, cache.is_quantized() ? store_quantized_kernel : store_numbers_kernel, source,
      slots, cache, heads, head_dim
  );
}

}  // namespace trellis::cuda
