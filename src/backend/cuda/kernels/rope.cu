// (a, b) -> (a cos - b sin, b cos + a sin). A CTA owns a row; a thread computes the angle of pair i
// once, in fp64 because positions of 100,000 times a frequency must keep their fraction, and turns
// the pair in every head. Traffic: x once in, once out.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/rope.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 64;

__global__ void __launch_bounds__(kThreads) rope_kernel(
    float* x, const int32_t* positions, const float* inverse_frequency, float factor, int heads,
    int head_dim, int half
) {
  dependents_launch();
  dependencies_wait();
  const int64_t row = blockIdx.x;
  float* numbers = x + row * heads * head_dim;
  const double position = positions[row];
  for (int i = threadIdx.x; i < half; i += kThreads) {
    double sine = 0.0;
    double cosine = 0.0;
    sincos(position * static_cast<double>(inverse_frequency[i]), &sine, &cosine);
    const auto c = static_cast<float>(cosine * factor);
    const auto s = static_cast<float>(sine * factor);
    for (int head = 0; head < heads; ++head) {
      float* pair = numbers + head * head_dim + i;
      const float a = pair[0];
      const float b = pair[half];
      pair[0] = a * c - b * s;
      pair[half] = b * c + a * s;
    }
  }
}

}  // namespace

void rope(
    cudaStream_t stream, float* x, const int32_t* positions, const float* inverse_frequency,
    float factor, int64_t rows, int heads, int head_dim, int half
) {
  launch(
      stream, {static_cast<unsigned>(rows), kThreads, 0, true}, rope_kernel, x, positions,
      inverse_frequency, factor, heads, head_dim, half
  );
}

}  // namespace trellis::cuda
