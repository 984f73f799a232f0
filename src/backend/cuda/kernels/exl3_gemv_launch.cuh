// The instances of the GEMV kernel for one bit width: compiled in a file of its own for each, since
// each takes its time.
#pragma once

#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/exl3_gemv.cuh"

#include <algorithm>

namespace trellis::cuda {

namespace gemv {

template <int kBits, exl3::Codebook kCodebook, int kRows>
void launch_instance(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device) {
  using Shape = GemvShape<kBits, kCodebook, kRows>;
  int groups = 0;
  for (int i = 0; i < problem.num_matrices; ++i) groups += problem.matrices[i].groups;
  const int grid = std::min(device.num_sms, groups);
  const GemvShare share = {
      groups / grid, groups % grid, Shape::memory(problem.chunks, device.shared_limit)
  };
  const LaunchShape shape = {
      static_cast<unsigned>(grid), Shape::kThreads,
      static_cast<size_t>(Shape::dynamic_bytes(share.memory)), true
  };
  launch(stream, shape, gemv_kernel<kBits, kCodebook, kRows>, problem, share);
}

template <int kBits, exl3::Codebook kCodebook>
void launch_rows(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device) {
  if (problem.rows == 1) return launch_instance<kBits, kCodebook, 1>(stream, problem, device);
  if (problem.rows <= 4) return launch_instance<kBits, kCodebook, 4>(stream, problem, device);
  launch_instance<kBits, kCodebook, 8>(stream, problem, device);
}

}  // namespace gemv

template <int kBits>
void gemv_of_bits(cudaStream_t stream, const GemvProblem& problem, const GemvDevice& device) {
  switch (problem.codebook) {
    case exl3::Codebook::k3inst:
      return gemv::launch_rows<kBits, exl3::Codebook::k3inst>(stream, problem, device);
    case exl3::Codebook::kMcg:
      return gemv::launch_rows<kBits, exl3::Codebook::kMcg>(stream, problem, device);
    case exl3::Codebook::kMul1:
      return gemv::launch_rows<kBits, exl3::Codebook::kMul1>(stream, problem, device);
  }
}

}  // namespace trellis::cuda
