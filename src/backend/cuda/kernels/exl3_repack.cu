// A thread moves one word: reads are consecutive, writes scattered over a few kilobytes. Runs once
// per matrix, when a model is loaded.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/exl3_repack.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) repack_kernel(
    const uint32_t* source, int64_t first, int64_t count, const __grid_constant__ Exl3Layout layout,
    uint32_t* destination
) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int words = 8 * layout.bits;
  const int64_t tile = (first + i) / words;
  destination[layout.place(
      tile / layout.out_tiles, tile % layout.out_tiles, static_cast<int>((first + i) % words)
  )] = source[i];
}

}  // namespace

void exl3_repack(
    cudaStream_t stream, const uint32_t* source, int64_t first, int64_t count,
    const Exl3Layout& layout, uint32_t* destination
) {
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  launch(stream, {blocks, kThreads}, repack_kernel, source, first, count, layout, destination);
}

}  // namespace trellis::cuda
