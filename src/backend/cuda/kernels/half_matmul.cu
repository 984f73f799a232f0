// y = A W^T with mma.sync m16n8k16. A CTA owns 128 rows and 128 outputs; its eight warps, two along
// the rows and four along the outputs, own 64 x 32 each. Tiles of 64 inputs come through a ring of
// three stages by cp.async; 16-byte pieces of a tile's 128-byte rows are swapped by the row's
// number, so that neither the copies nor ldmatrix meet bank conflicts. CTAs that share weights are
// neighbours, so that weights come from memory once. Bound by the tensor cores from some hundred
// rows on. GPUs of sm_90 take exl3_wgmma.h instead.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/kernels/half_matmul.h"

#include <cuda_fp16.h>

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTileRows = 128;
constexpr int kTileColumns = static_cast<int>(kMatmulColumns);
constexpr int kTileInputs = 64;
constexpr int kStages = 3;
constexpr int kRowBytes = kTileInputs * 2;
constexpr int kTileBytes = 128 * kRowBytes;  // of A, and of W
constexpr int kPieces = kTileBytes / 16 / kThreads;
constexpr int kWarpRows = 64;
constexpr int kWarpColumns = 32;
constexpr int kRowTiles = kWarpRows / 16;
constexpr int kColumnTiles = kWarpColumns / 8;

/// The address of 16-byte piece `piece` (0 to 7) of a tile's row.
__device__ __forceinline__ uint32_t piece_address(uint32_t tile, int row, int piece) {
  return tile + row * kRowBytes + ((piece ^ (row % 8)) * 16);
}

/// Starts copying 64 inputs of both tiles into a stage.
__device__ __forceinline__ void load_stage(
    const HalfMatmulProblem& problem, uint32_t stage, int64_t first_row, int64_t first_column,
    int64_t first_input
) {
#pragma unroll
  for (int i = 0; i < kPieces; ++i) {
    const int index = static_cast<int>(threadIdx.x) + i * kThreads;
    const int row = index / 8;
    const int piece = index % 8;
    const bool inside = first_row + row < problem.rows;
    const int64_t a_row = inside ? first_row + row : 0;
    const uint16_t* a = problem.a + a_row * problem.in + first_input + piece * 8;
    const uint16_t* w =
        problem.weight + (first_column + row) * problem.in + first_input + piece * 8;
    cp_async_16_zero(piece_address(stage, row, piece), a, inside);
    cp_async_16(piece_address(stage + kTileBytes, row, piece), w);
  }
}

__global__ void __launch_bounds__(kThreads)
    half_matmul_kernel(const __grid_constant__ HalfMatmulProblem problem) {
  TRELLIS_DYNAMIC_SHARED(shared);
  dependents_launch();
  dependencies_wait();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warp_row = warp / 4 * kWarpRows;
  const int warp_column = warp % 4 * kWarpColumns;
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kTileRows;
  const int64_t first_column = static_cast<int64_t>(blockIdx.y) * kTileColumns;
  const uint32_t ring = shared_address(shared);
  const int steps = static_cast<int>(problem.in / kTileInputs);

  for (int s = 0; s < kStages - 1; ++s) {
    if (s < steps) {
      load_stage(
          problem, ring + s * 2 * kTileBytes, first_row, first_column,
          static_cast<int64_t>(s) * kTileInputs
      );
    }
    cp_async_commit();
  }

  float sums[kRowTiles][kColumnTiles][4] = {};
  for (int step = 0; step < steps; ++step) {
    cp_async_wait<kStages - 2>();
    __syncthreads();  // the stage has come, and the one before it has been read by all
    const int next = step + kStages - 1;
    if (next < steps) {
      load_stage(
          problem, ring + next % kStages * 2 * kTileBytes, first_row, first_column,
          static_cast<int64_t>(next) * kTileInputs
      );
    }
    cp_async_commit();

    const uint32_t a_tile = ring + step % kStages * 2 * kTileBytes;
    const uint32_t w_tile = a_tile + kTileBytes;
#pragma unroll
    for (int k = 0; k < kTileInputs / 16; ++k) {
      uint32_t a[kRowTiles][4];
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        ldmatrix_x4(a[i], piece_address(a_tile, warp_row + i * 16 + lane % 16, 2 * k + lane / 16));
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles; j += 2) {
        uint32_t b[4];
        const int column = warp_column + j * 8 + lane / 16 * 8 + lane % 8;
        ldmatrix_x4(b, piece_address(w_tile, column, 2 * k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < kRowTiles; ++i) {
          mma_m16n8k16_f16(sums[i][j], a[i][0], a[i][1], a[i][2], a[i][3], b[0], b[1]);
          mma_m16n8k16_f16(sums[i][j + 1], a[i][0], a[i][1], a[i][2], a[i][3], b[2], b[3]);
        }
      }
    }
  }

#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t row = first_row + warp_row + i * 16 + half * 8 + lane / 4;
      if (row >= problem.rows) continue;
      const float unit = problem.units[row];
      float* y = problem.y + row * problem.y_stride + first_column + warp_column + lane % 4 * 2;
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        y[j * 8] = sums[i][j][2 * half] * unit;
        y[j * 8 + 1] = sums[i][j][2 * half + 1] * unit;
      }
    }
  }
}

constexpr int kRowThreads = 128;

/// A CTA owns a row: its largest block scale is the unit.
__global__ void __launch_bounds__(kRowThreads) halves_kernel(
    const __grid_constant__ QuantizedInput input, uint16_t* a, float* units, int64_t in
) {
  dependents_launch();
  dependencies_wait();
  const int64_t row = blockIdx.x;
  const int tid = static_cast<int>(threadIdx.x);
  const float* scales = input.scales + row * (input.stride / 128);
  const float unit = row_unit(scales, static_cast<int>(in / 128)) * kLargestInteger;
  const float inverse = unit > 0.0f ? 1.0f / unit : 0.0f;
  if (tid == 0) units[row] = unit;
  const int16_t* integers = input.integers + row * input.stride;
  auto* out = reinterpret_cast<__half*>(a) + row * in;
  for (int i = tid; i < in; i += kRowThreads) {
    out[i] = __float2half_rn(static_cast<float>(integers[i]) * scales[i / 128] * inverse);
  }
}

}  // namespace

void half_matmul(cudaStream_t stream, const HalfMatmulProblem& problem) {
  const dim3 grid(
      static_cast<unsigned>((problem.rows + kTileRows - 1) / kTileRows),
      static_cast<unsigned>(problem.out / kTileColumns)
  );
  launch(stream, {grid, kThreads, kStages * 2 * kTileBytes, true}, half_matmul_kernel, problem);
}

void halves_of_quantized(
    cudaStream_t stream, const QuantizedInput& input, uint16_t* a, float* units, int64_t rows,
    int64_t in
) {
  launch(
      stream, {static_cast<unsigned>(rows), kRowThreads, 0, true}, halves_kernel, input, a, units,
      in
  );
}

}  // namespace trellis::cuda
