#include "backend/cuda/kernels/exl3_product_launch.cuh"

template void trellis::cuda::product_of_bits<5>(
    cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile
);
