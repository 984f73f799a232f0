// y[r, n] = sum_k x[r, k] W[n, k] + bias[n], summed in fp32. A warp owns an output and up to eight
// rows of x: lane i takes pieces of eight weights i, i + 32, ... Traffic: the weights once for
// every eight rows, at 16 bytes a load; x from L1 and L2. Bound by memory for one row; products of
// many rows want tensor cores and other kernels.
#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/dense_linear.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr int kPiece = static_cast<int>(kDenseAlign);

template <int kRows, typename Element>
__global__ void __launch_bounds__(kThreads)
    dense_kernel(const __grid_constant__ DenseProblem problem) {
  struct alignas(16) Piece {
    Element elements[kPiece];
  };
  dependents_launch();
  dependencies_wait();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t n = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kRows;
  if (n >= problem.out) return;
  const auto* pieces = reinterpret_cast<const Piece*>(
      static_cast<const Element*>(problem.weight) + n * problem.stride
  );
  float sums[kRows] = {};
  for (int64_t p = lane; p * kPiece < problem.in; p += kWarp) {
    const Piece piece = pieces[p];
#pragma unroll
    for (int i = 0; i < kPiece; ++i) {
      const int64_t k = p * kPiece + i;
      if (k >= problem.in) break;
      const float weight = to_float(piece.elements[i]);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const int64_t row = min(first_row + r, problem.rows - 1);
        sums[r] += problem.x[row * problem.in + k] * weight;
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const float total = warp_sum(sums[r]);
    if (lane == 0 && first_row + r < problem.rows) {
      const float bias = problem.bias != nullptr ? problem.bias[n] : 0.0f;
      problem.y[(first_row + r) * problem.y_stride + n] = total + bias;
    }
  }
}

template <int kRows, typename Element>
void launch_rows(cudaStream_t stream, const DenseProblem& problem) {
  const dim3 grid(
      static_cast<unsigned>((problem.out + kWarps - 1) / kWarps),
      static_cast<unsigned>((problem.rows + kRows - 1) / kRows)
  );
  launch(stream, {grid, kThreads, 0, true}, dense_kernel<kRows, Element>, problem);
}

}  // namespace

void dense_linear(cudaStream_t stream, const DenseProblem& problem) {
  for_float_type(problem.type, [&]<typename Element>(const Element*) {
    if (problem.rows == 1) {
      launch_rows<1, Element>(stream, problem);
    } else {
      launch_rows<8, Element>(stream, problem);
    }
  });
}

}  // namespace trellis::cuda
