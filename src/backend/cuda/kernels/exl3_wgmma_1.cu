#include "backend/cuda/kernels/exl3_wgmma_launch.cuh"

template void trellis::cuda::wgmma_of_bits<1>(
    cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile
);
