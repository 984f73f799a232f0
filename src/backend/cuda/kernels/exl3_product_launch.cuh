// The instances of the kernels for many rows for one bit width: compiled in a file of its own for
// each, since each takes its time.
#pragma once

#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/exl3_mma.cuh"
#include "backend/cuda/kernels/exl3_wgmma.cuh"

namespace trellis::cuda {

namespace product {

/// kernel: an instance for Shape, whose CTAs own tile.groups times 64 columns.
template <typename Shape>
void launch_instance(
    cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile,
    void (*kernel)(StagedProduct)
) {
  int columns = 0;
  for (int i = 0; i < problem.num_matrices; ++i) columns += problem.matrices[i].columns;
  const dim3 grid(
      static_cast<unsigned>((problem.rows + tile.rows - 1) / tile.rows),
      static_cast<unsigned>(columns / (tile.groups * kGroupColumns)),
      static_cast<unsigned>(problem.segments.count)
  );
  const LaunchShape shape = {
      grid, static_cast<unsigned>(Shape::threads(tile.groups)),
      static_cast<size_t>(Shape::shared_bytes(tile.groups)), true
  };
  launch(stream, shape, kernel, problem);
}

template <int kBits, exl3::Codebook kCodebook, int kRows>
void launch_wgmma(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile) {
  using Shape = WgmmaShape<kBits, kRows>;
  launch_instance<Shape>(stream, problem, tile, wgmma_kernel<kBits, kCodebook, kRows>);
}

template <int kBits, exl3::Codebook kCodebook, int kRows>
void launch_mma(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile) {
  using Shape = MmaShape<kBits, kRows>;
  launch_instance<Shape>(stream, problem, tile, mma_kernel<kBits, kCodebook, kRows>);
}

template <int kBits, exl3::Codebook kCodebook>
void launch_tile(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile) {
  if (tile.kernel == ProductKernel::kMma) {
    tile.rows == 64 ? launch_mma<kBits, kCodebook, 64>(stream, problem, tile)
                    : launch_mma<kBits, kCodebook, 128>(stream, problem, tile);
    return;
  }
  switch (tile.rows) {
    case 64:
      return launch_wgmma<kBits, kCodebook, 64>(stream, problem, tile);
    case 128:
      return launch_wgmma<kBits, kCodebook, 128>(stream, problem, tile);
    default:
      return launch_wgmma<kBits, kCodebook, 256>(stream, problem, tile);
  }
}

}  // namespace product

template <int kBits>
void product_of_bits(cudaStream_t stream, const StagedProduct& problem, const ProductTile& tile) {
  switch (problem.codebook) {
    case exl3::Codebook::k3inst:
      return product::launch_tile<kBits, exl3::Codebook::k3inst>(stream, problem, tile);
    case exl3::Codebook::kMcg:
      return product::launch_tile<kBits, exl3::Codebook::kMcg>(stream, problem, tile);
    case exl3::Codebook::kMul1:
      return product::launch_tile<kBits, exl3::Codebook::kMul1>(stream, problem, tile);
  }
}

}  // namespace trellis::cuda
