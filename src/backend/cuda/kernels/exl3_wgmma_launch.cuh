// The instances of the kernel for many rows for one bit width: compiled in a file of its own for
// each, since each takes its time.
#pragma once

#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/exl3_wgmma.cuh"

namespace trellis::cuda {

namespace wgmma {

template <int kBits, exl3::Codebook kCodebook, int kRows>
void launch_instance(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile) {
  using Shape = WgmmaShape<kBits, kRows>;
  int columns = 0;
  for (int i = 0; i < problem.num_matrices; ++i) columns += problem.matrices[i].columns;
  const dim3 grid(
      static_cast<unsigned>((problem.rows + kRows - 1) / kRows),
      static_cast<unsigned>(columns / (tile.groups * Shape::kGroupColumns)),
      static_cast<unsigned>(problem.segments.count)
  );
  const LaunchShape shape = {
      grid, static_cast<unsigned>(Shape::threads(tile.groups)),
      static_cast<size_t>(Shape::shared_bytes(tile.groups)), true
  };
  launch(stream, shape, wgmma_kernel<kBits, kCodebook, kRows>, problem);
}

template <int kBits, exl3::Codebook kCodebook>
void launch_tile(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile) {
  switch (tile.rows) {
    case 64:
      return launch_instance<kBits, kCodebook, 64>(stream, problem, tile);
    case 128:
      return launch_instance<kBits, kCodebook, 128>(stream, problem, tile);
    default:
      return launch_instance<kBits, kCodebook, 256>(stream, problem, tile);
  }
}

}  // namespace wgmma

template <int kBits>
void wgmma_of_bits(cudaStream_t stream, const WgmmaProblem& problem, const WgmmaTile& tile) {
  switch (problem.codebook) {
    case exl3::Codebook::k3inst:
      return wgmma::launch_tile<kBits, exl3::Codebook::k3inst>(stream, problem, tile);
    case exl3::Codebook::kMcg:
      return wgmma::launch_tile<kBits, exl3::Codebook::kMcg>(stream, problem, tile);
    case exl3::Codebook::kMul1:
      return wgmma::launch_tile<kBits, exl3::Codebook::kMul1>(stream, problem, tile);
  }
}

}  // namespace trellis::cuda
