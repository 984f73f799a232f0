// cache[page, head, offset, :] = source[row, head, :], rounded or quantized to the cache's type. A
// CTA owns a row and a head. Floats: a thread moves one number, consecutive threads write
// consecutive ones. Quantized: a thread packs a group of 32 channels by the functions of
// exl3/kv_quant.h, whose every operation is rounded as on the host, so the bits agree.
#include "backend/args.h"
#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/kv_store.h"
#include "exl3/kv_quant.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;

/// The row of a cache where the CTA's row and head belong.
__device__ __forceinline__ int64_t cache_row(const int32_t* slots, int heads) {
  const int32_t slot = slots[blockIdx.x];
  return (static_cast<int64_t>(slot / kPageTokens) * heads + blockIdx.y) * kPageTokens +
         slot % kPageTokens;
}

template <typename Element>
__global__ void __launch_bounds__(kThreads) store_floats_kernel(
    const float* source, const int32_t* slots, Element* cache, int heads, int head_dim
) {
  dependents_launch();
  dependencies_wait();
  const float* from = source + (static_cast<int64_t>(blockIdx.x) * heads + blockIdx.y) * head_dim;
  Element* to = cache + cache_row(slots, heads) * head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < head_dim; i += kThreads) {
    store_float(to + i, from[i]);
  }
}

__global__ void __launch_bounds__(kThreads) store_quantized_kernel(
    const float* source, const int32_t* slots, const __grid_constant__ KvRows cache, int heads,
    int head_dim
) {
  dependents_launch();
  dependencies_wait();
  const float* from = source + (static_cast<int64_t>(blockIdx.x) * heads + blockIdx.y) * head_dim;
  const int groups = head_dim / exl3::kKvGroup;
  const int64_t first = cache_row(slots, heads) * groups;
  for (int g = static_cast<int>(threadIdx.x); g < groups; g += kThreads) {
    const exl3::KvCodes codes = exl3::kv_quantize(from + g * exl3::kKvGroup, cache.bits);
    uint32_t words[exl3::kMaxKvBits];
    exl3::kv_pack(codes.codes, cache.bits, words);
    uint32_t* to = static_cast<uint32_t*>(cache.numbers) + (first + g) * cache.bits;
    for (int word = 0; word < cache.bits; ++word) to[word] = words[word];
    cache.scales[first + g] = codes.scale;
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
  if (cache.is_quantized()) {
    launch(stream, shape, store_quantized_kernel, source, slots, cache, heads, head_dim);
  } else if (cache.bits == 32) {
    launch(
        stream, shape, store_floats_kernel<float>, source, slots,
        static_cast<float*>(cache.numbers), heads, head_dim
    );
  } else {
    launch(
        stream, shape, store_floats_kernel<__half>, source, slots,
        static_cast<__half*>(cache.numbers), heads, head_dim
    );
  }
}

}  // namespace trellis::cuda
