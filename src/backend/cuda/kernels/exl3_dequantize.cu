// Trellis words to fp16. A warp owns 16 columns of 64 inputs: lane 4 g + t decodes run g of input
// tile t, that is 16 consecutive inputs of columns g and g + 8, and writes 32 bytes of each; four
// lanes write 128 consecutive bytes. Traffic: K bits in and 16 out per weight; bound by the writes.
#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/exl3_window.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_format.cuh"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

template <int kBits, exl3::Codebook kCodebook>
__global__ void __launch_bounds__(kThreads) dequantize_kernel(
    const uint32_t* words, const __grid_constant__ Exl3Layout layout, int64_t first_tile,
    int64_t num_steps, uint16_t* out
) {
  dependents_launch();
  dependencies_wait();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int run_index = lane / 4;
  const int64_t step = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (step >= num_steps) return;  // the same for all lanes of a warp
  const int64_t in_tile = step * 4 + lane % 4;
  const int64_t out_tile = first_tile + blockIdx.y;

  uint32_t run[kBits];
#pragma unroll
  for (int j = 0; j < kBits; ++j) {
    run[j] = words[layout.place(in_tile, out_tile, run_index * kBits + j)];
  }
  const uint32_t before = __shfl_sync(kAllLanes, run[kBits - 1], (lane + kWarp - 4) % kWarp);

  // Window 8 s + i: inputs 2 s, 2 s + 1, 2 s + 8, 2 s + 9 of column g, then of column g + 8.
  uint32_t pairs[2][8];
#pragma unroll
  for (int s = 0; s < 4; ++s) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        const int first = 8 * s + 4 * half + 2 * part;
        pairs[half][s + 4 * part] = weight_pair<kCodebook>(
            mix<kCodebook>(window<kBits>(run, before, first)),
            mix<kCodebook>(window<kBits>(run, before, first + 1))
        );
      }
    }
  }
  const int64_t stride = layout.in_tiles * kTileSize;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int64_t column = static_cast<int64_t>(blockIdx.y) * kTileSize + run_index + 8 * half;
    auto* place = reinterpret_cast<uint4*>(out + column * stride + in_tile * kTileSize);
    const uint32_t* p = pairs[half];
    place[0] = make_uint4(p[0], p[1], p[2], p[3]);
    place[1] = make_uint4(p[4], p[5], p[6], p[7]);
  }
}

}  // namespace

void exl3_dequantize(
    cudaStream_t stream, const Exl3Matrix& matrix, int64_t begin, int64_t end, uint16_t* out
) {
  const int64_t num_steps = matrix.layout.in_tiles / 4;
  const dim3 grid(
      static_cast<unsigned>((num_steps + kWarps - 1) / kWarps),
      static_cast<unsigned>((end - begin) / kTileSize)
  );
  for_exl3_format(matrix, [&]<int kBits, exl3::Codebook kCodebook>() {
    launch(
        stream, {grid, kThreads, 0, true}, dequantize_kernel<kBits, kCodebook>, matrix.words,
        matrix.layout, begin / kTileSize, num_steps, out
    );
  });
}

}  // namespace trellis::cuda
