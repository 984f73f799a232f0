#include "backend/cuda/kernels/exl3_gemv_launch.cuh"

template void trellis::cuda::gemv_of_bits<4>(
    cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device
);
