// y = x / sqrt(mean(x^2) + epsilon) * weight. A CTA owns a row: a thread sums every 256th number
// in fp32, the CTA adds the threads' sums in a fixed order. Traffic: the row once from memory, its
// second reading comes from L1.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/norm.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;

/// kAdd: x += addend first.
template <bool kAdd>
__global__ void __launch_bounds__(kThreads) rms_norm_kernel(
    const float* x, float* sum, const float* addend, const float* weight, float epsilon, float* y,
    int64_t dim
) {
  __shared__ float scratch[kThreads / kWarp];
  dependents_launch();
  dependencies_wait();
  const int64_t begin = blockIdx.x * dim;
  const float* row = x + begin;
  float squares = 0.0f;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) {
    float value = row[i];
    if constexpr (kAdd) {
      value += addend[begin + i];
      sum[begin + i] = value;  // read again below by this thread only
    }
    squares += value * value;
  }
  const float mean = block_sum<kThreads>(squares, scratch) / static_cast<float>(dim);
  const float scale = 1.0f / sqrtf(mean + epsilon);
  const float* source = kAdd ? sum + begin : row;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) {
    y[begin + i] = source[i] * scale * weight[i];
  }
}

}  // namespace

void rms_norm(
    cudaStream_t stream, const float* x, const float* weight, float epsilon, float* y, int64_t rows,
    int64_t dim
) {
  launch(
      stream, {static_cast<unsigned>(rows), kThreads, 0, true}, rms_norm_kernel<false>, x,
      static_cast<float*>(nullptr), static_cast<const float*>(nullptr), weight, epsilon, y, dim
  );
}

void add_rms_norm(
    cudaStream_t stream, float* x, const float* addend, const float* weight, float epsilon,
    float* out, int64_t rows, int64_t dim
) {
  launch(
      stream, {static_cast<unsigned>(rows), kThreads, 0, true}, rms_norm_kernel<true>, x, x, addend,
      weight, epsilon, out, dim
  );
}

}  // namespace trellis::cuda
