// Elementwise ops: bound by memory, one thread per number, consecutive threads on consecutive
// numbers. Traffic: each input and output once.
#include "backend/cuda/device/activation.cuh"
#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/rows.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

__device__ int64_t global_index() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

template <typename Element>
__global__ void embed_kernel(
    const int32_t* ids, const Element* table, float* out, int64_t count, int64_t hidden
) {
  dependents_launch();
  dependencies_wait();
  const int64_t i = global_index();
  if (i >= count) return;
  const int64_t token = i / hidden;
  out[i] = to_float(table[ids[token] * hidden + i % hidden]);
}

__global__ void gather_kernel(
    const float* x, const int32_t* rows, float* out, int64_t count, int64_t dim
) {
  dependents_launch();
  dependencies_wait();
  const int64_t i = global_index();
  if (i < count) out[i] = x[rows[i / dim] * dim + i % dim];
}

__global__ void take_chosen_kernel(
    const int32_t* chosen, const int32_t* rows, int32_t* ids, int64_t tokens
) {
  dependents_launch();
  dependencies_wait();
  const int64_t t = global_index();
  if (t < tokens && rows[t] >= 0) ids[t] = max(chosen[rows[t]], 0);
}

__global__ void add_kernel(float* x, const float* y, int64_t count) {
  dependents_launch();
  dependencies_wait();
  const int64_t i = global_index();
  if (i < count) x[i] += y[i];
}

__global__ void silu_multiply_kernel(
    const float* gate, const float* up, float* out, int64_t count
) {
  dependents_launch();
  dependencies_wait();
  const int64_t i = global_index();
  if (i < count) out[i] = silu(gate[i]) * up[i];
}

}  // namespace

void embed(
    cudaStream_t stream, const int32_t* ids, const void* table, FloatType type, float* out,
    int64_t tokens, int64_t hidden
) {
  const int64_t count = tokens * hidden;
  for_float_type(type, [&]<typename Element>(const Element*) {
    launch(
        stream, {blocks_for(count), kThreads, 0, true}, embed_kernel<Element>, ids,
        static_cast<const Element*>(table), out, count, hidden
    );
  });
}

void gather_rows(
    cudaStream_t stream, const float* x, const int32_t* rows, float* out, int64_t count, int64_t dim
) {
  const int64_t numbers = count * dim;
  launch(
      stream, {blocks_for(numbers), kThreads, 0, true}, gather_kernel, x, rows, out, numbers, dim
  );
}

void take_chosen(
    cudaStream_t stream, const int32_t* chosen, const int32_t* rows, int32_t* ids, int64_t tokens
) {
  launch(
      stream, {blocks_for(tokens), kThreads, 0, true}, take_chosen_kernel, chosen, rows, ids, tokens
  );
}

void add(cudaStream_t stream, float* x, const float* y, int64_t count) {
  launch(stream, {blocks_for(count), kThreads, 0, true}, add_kernel, x, y, count);
}

void silu_multiply(
    cudaStream_t stream, const float* gate, const float* up, float* out, int64_t count
) {
  launch(
      stream, {blocks_for(count), kThreads, 0, true}, silu_multiply_kernel, gate, up, out, count
  );
}

}  // namespace trellis::cuda
