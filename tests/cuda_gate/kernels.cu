// Kernels for the test of tools/cuda_gate.py: each does one thing that the gate must see.
#include <cuda_runtime.h>

namespace trellis::cuda_gate {

/// Ops dot products an iteration.
template <int Ops>
__global__ void dot_products(const int* __restrict__ x, int* y, int n) {
  int sum = 0;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
#pragma unroll
    for (int j = 0; j < Ops; ++j) sum = __dp4a(x[i * Ops + j], 0x01020304, sum);
  }
  y[threadIdx.x] = sum;
}

template __global__ void dot_products<4>(const int*, int*, int);
template __global__ void dot_products<8>(const int*, int*, int);

/// An array that registers cannot hold, since its index is known at run time only.
__global__ void local_table(const int* x, int* y, int n) {
  int table[64];
  for (int i = 0; i < 64; ++i) table[i] = x[i];
  for (int i = 0; i < n; ++i) table[x[i] & 63] += i;
  y[threadIdx.x] = table[n & 63];
}

/// 128 values that live at once, in the 64 registers that 1024 threads leave to each.
__global__ void __launch_bounds__(1024) too_many_values(const float* x, float* y, int n) {
  float values[128];
#pragma unroll
  for (int i = 0; i < 128; ++i) values[i] = x[threadIdx.x * 128 + i];
  for (int k = 0; k < n; ++k) {
#pragma unroll
    for (int i = 0; i < 128; ++i) values[i] = values[i] * values[127 - i] + 1.0F;
  }
#pragma unroll
  for (int i = 0; i < 128; ++i) y[threadIdx.x * 128 + i] = values[i];
}

__global__ void reversed(int* x) {
  __shared__ int shared[256];
  shared[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = shared[255 - threadIdx.x];
}

}  // namespace trellis::cuda_gate
