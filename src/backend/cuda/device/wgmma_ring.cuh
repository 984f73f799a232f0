// What kernels share that bring operands of wgmma to shared memory through a ring: how an operand
// is described, and where in a ring a thread is.
#pragma once

#include "backend/cuda/device/ptx.cuh"

namespace trellis::cuda::wgmma {

/// An operand as lines of 128 bytes with the 128-byte swizzle, eight of them behind one another:
/// 64 numbers along k of a row of A or a column of B, or, where the product takes B's rows, 64
/// columns; those beyond stand leading_bytes further. address: in the first of the lines, of which
/// each eight begin at a multiple of 1024.
__device__ __forceinline__ uint64_t operand(uint32_t address, uint32_t leading_bytes = 16) {
  return uint64_t{1} << 62 | uint64_t{64} << 32 | uint64_t{leading_bytes >> 4} << 16 |
         (address & 0x3FFFFu) >> 4;
}

/// The operand so many bytes further: in a line, for the next numbers along k, or lines.
__device__ __forceinline__ uint64_t behind(uint64_t operand, int bytes) {
  return operand + static_cast<uint64_t>(bytes >> 4);
}

__device__ __forceinline__ void wait_for_phase(uint32_t barrier, uint32_t parity) {
  while (!mbarrier_try_wait_parity(barrier, parity)) {
  }
}

/// Where a ring of barriers or stages stands.
template <int kStages>
struct RingPosition {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1u;
  }
};

}  // namespace trellis::cuda::wgmma
