// The instances of the GEMV kernel for one bit width: compiled in a file of its own for each, since
// each takes its time.
#pragma once

#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/exl3_gemv.cuh"

#include <algorithm>

namespace trellis::cuda {

namespace gemv {

template <int kBits, exl3::Codebook kCodebook, int kRows>
void launch_instance(cudaStream_t stream, const GemvProblem& problem, int num_sms) {
  using Shape = GemvShape<kBits, kCodebook, kRows>;
  int groups = 0;
  for (int i = 0; i < problem.num_matrices; ++i) groups += problem.matrices[i].groups;
  const int grid = std::min(num_sms, groups);
  const GemvShare share = {groups / grid, groups % grid};
  const LaunchShape shape = {
      static_cast<unsigned>(grid), Shape::kThreads,
      static_cast<size_t>(Shape::dynamic_bytes(problem.chunks)), true
  };
  launch(stream, shape, gemv_kernel<kBits, kCodebook, kRows>, problem, share);
}

template <int kBits, exl3::Codebook kCodebook>
void launch_rows(cudaStream_t stream, const GemvProblem& problem, int num_sms) {
  if (problem.rows == 1) return launch_instance<kBits, kCodebook, 1>(stream, problem, num_sms);
  if (problem.rows <= 4) return launch_instance<kBits, kCodebook, 4>(stream, problem, num_sms);
  launch_instance<kBits, kCodebook, 8>(stream, problem, num_sms);
}

}  // namespace gemv

template <int kBits>
void gemv_of_bits(cudaStream_t stream, const GemvProblem& problem, int num_sms) {
  switch (problem.codebook) {
    case exl3::Codebook::k3inst:
      return gemv::launch_rows<kBits, exl3::Codebook::k3inst>(stream, problem, num_sms);
    case exl3::Codebook::kMcg:
      return gemv::launch_rows<kBits, exl3::Codebook::kMcg>(stream, problem, num_sms);
    case exl3::Codebook::kMul1:
      return gemv::launch_rows<kBits, exl3::Codebook::kMul1>(stream, problem, num_sms);
  }
}

}  // namespace trellis::cuda
