// Fragments are loaded and stored by the formulas of the PTX ISA, section "Matrix Fragments" of
// each instruction, element by element.
#include "simt/kernels.h"
#include "simt/ptx.h"

#include <cstring>

namespace trellis::simt_test {
namespace {

/// m16n8k32 on bytes: element i of a lane's fragment of A, B and D.
template <typename A, typename B, typename Multiply>
__device__ void multiply_bytes(const A* a, const B* b, int* d, Multiply multiply) {
  const int group = static_cast<int>(threadIdx.x) / 4;
  const int in_group = static_cast<int>(threadIdx.x) % 4;
  uint32_t fa[4] = {};
  uint32_t fb[2] = {};
  int fd[4];
  for (int i = 0; i < 16; ++i) {
    const int row = (0 <= i && i < 4) || (8 <= i && i < 12) ? group : group + 8;
    const int column = in_group * 4 + (i & 3) + (i < 8 ? 0 : 16);
    fa[i / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(a[row * 32 + column])) << (8 * (i % 4));
  }
  for (int i = 0; i < 8; ++i) {
    const int row = in_group * 4 + (i & 3) + (i < 4 ? 0 : 16);
    fb[i / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(b[row * 8 + group])) << (8 * (i % 4));
  }
  const auto at = [&](int i) {
    return d + (i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1);
  };
  for (int i = 0; i < 4; ++i) fd[i] = *at(i);
  multiply(fd, fa, fb);
  for (int i = 0; i < 4; ++i) *at(i) = fd[i];
}

/// m16n8k16 on 16-bit numbers.
template <typename T, typename Multiply>
__device__ void multiply_halves(const T* a, const T* b, float* d, Multiply multiply) {
  const int group = static_cast<int>(threadIdx.x) / 4;
  const int in_group = static_cast<int>(threadIdx.x) % 4;
  T fa[8];
  T fb[4];
  float fd[4];
  for (int i = 0; i < 8; ++i) {
    const int row = (0 <= i && i < 2) || (4 <= i && i < 6) ? group : group + 8;
    fa[i] = a[row * 16 + in_group * 2 + (i & 1) + (i < 4 ? 0 : 8)];
  }
  for (int i = 0; i < 4; ++i) fb[i] = b[(in_group * 2 + (i & 1) + (i < 2 ? 0 : 8)) * 8 + group];
  const auto at = [&](int i) {
    return d + (i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1);
  };
  for (int i = 0; i < 4; ++i) fd[i] = *at(i);
  uint32_t ra[4];
  uint32_t rb[2];
  memcpy(ra, fa, sizeof(ra));
  memcpy(rb, fb, sizeof(rb));
  multiply(fd, ra, rb);
  for (int i = 0; i < 4; ++i) *at(i) = fd[i];
}

/// The place in shared memory of b's element (column, k), with the 128-byte swizzle: a column has
/// 64 halves, and its 16-byte pieces are exchanged by the column's number modulo eight.
__device__ int swizzled(int column, int k) {
  return column * 64 + ((k / 8) ^ (column % 8)) * 8 + k % 8;
}

template <int Columns, typename Multiply>
__device__ void warpgroup_multiply(
    const __half* a, const __half* b, int depth, float* d, Multiply multiply
) {
  TRELLIS_DYNAMIC_SHARED(shared);
  __half* tile = reinterpret_cast<__half*>(shared);
  const int thread = static_cast<int>(threadIdx.x);
  const int group = thread % 32 / 4 + thread / 32 * 16;
  const int in_group = thread % 4;
  float sums[Columns / 2];
  for (float& sum : sums) sum = 0.0f;
  for (int first = 0; first < depth; first += 64) {
    __syncthreads();
    for (int i = thread; i < Columns * 64; i += 128) {
      tile[swizzled(i / 64, i % 64)] = b[i / 64 * depth + first + i % 64];
    }
    cuda::fence_proxy_async();
    __syncthreads();
    // 128-byte swizzle; 1024 bytes between groups of eight columns.
    const uint64_t descriptor =
        uint64_t{1} << 62 | uint64_t{64} << 32 | (cuda::shared_address(shared) & 0x3FFFF) >> 4;
    uint32_t fragments[2][4];
    for (int step = 0; step < 4; ++step) {
      uint32_t(&fragment)[4] = fragments[step % 2];
      for (int r = 0; r < 4; ++r) {
        const int row = group + 8 * (r % 2);
        const int k = first + step * 16 + in_group * 2 + 8 * (r / 2);
        memcpy(&fragment[r], a + row * depth + k, sizeof(uint32_t));
      }
      cuda::wgmma_fence();
      multiply(sums, fragment, descriptor + static_cast<uint64_t>(2 * step));
      cuda::wgmma_commit();
      cuda::wgmma_wait<1>();
    }
    cuda::wgmma_wait<0>();
  }
  for (int i = 0; i < Columns / 2; ++i) {
    const int row = group + 8 * (i % 4 / 2);
    d[row * Columns + i / 4 * 8 + in_group * 2 + i % 2] = sums[i];
  }
}

}  // namespace

__global__ void multiply_u8s8(const uint8_t* a, const int8_t* b, int* d) {
  multiply_bytes(a, b, d, [](auto& fd, const auto& fa, const auto& fb) {
    cuda::mma_m16n8k32_u8s8(fd, fa[0], fa[1], fa[2], fa[3], fb[0], fb[1]);
  });
}

__global__ void multiply_s8s8(const int8_t* a, const int8_t* b, int* d) {
  multiply_bytes(a, b, d, [](auto& fd, const auto& fa, const auto& fb) {
    cuda::mma_m16n8k32_s8s8(fd, fa[0], fa[1], fa[2], fa[3], fb[0], fb[1]);
  });
}

__global__ void multiply_f16(const __half* a, const __half* b, float* d) {
  multiply_halves(a, b, d, [](auto& fd, const auto& fa, const auto& fb) {
    cuda::mma_m16n8k16_f16(fd, fa[0], fa[1], fa[2], fa[3], fb[0], fb[1]);
  });
}

__global__ void multiply_bf16(const uint16_t* a, const uint16_t* b, float* d) {
  multiply_halves(a, b, d, [](auto& fd, const auto& fa, const auto& fb) {
    cuda::mma_m16n8k16_bf16(fd, fa[0], fa[1], fa[2], fa[3], fb[0], fb[1]);
  });
}

__global__ void load_x4(const uint16_t* matrices, uint32_t* out, bool transposed) {
  __shared__ __align__(16) uint16_t tile[4 * 64];
  for (unsigned i = threadIdx.x; i < 4 * 64; i += 32) tile[i] = matrices[i];
  __syncwarp();
  uint32_t r[4];
  const uint32_t row = cuda::shared_address(tile) + threadIdx.x * 16;
  if (transposed) {
    cuda::ldmatrix_x4_trans(r, row);
  } else {
    cuda::ldmatrix_x4(r, row);
  }
  for (int m = 0; m < 4; ++m) out[threadIdx.x * 4 + m] = r[m];
}

__global__ void store_x4(const uint32_t* elements, uint16_t* matrices) {
  __shared__ __align__(16) uint16_t tile[4 * 64];
  uint32_t r[4];
  for (int m = 0; m < 4; ++m) r[m] = elements[threadIdx.x * 4 + m];
  cuda::stmatrix_x4_trans(cuda::shared_address(tile) + threadIdx.x * 16, r);
  __syncwarp();
  for (unsigned i = threadIdx.x; i < 4 * 64; i += 32) matrices[i] = tile[i];
}

__global__ void load_x2(const uint16_t* matrices, uint32_t* out, bool transposed) {
  __shared__ __align__(16) uint16_t tile[2 * 64];
  for (unsigned i = threadIdx.x; i < 2 * 64; i += 32) tile[i] = matrices[i];
  __syncwarp();
  uint32_t r[2];
  const uint32_t row = cuda::shared_address(tile) + threadIdx.x % 16 * 16;
  if (transposed) {
    cuda::ldmatrix_x2_trans(r, row);
  } else {
    cuda::ldmatrix_x2(r, row);
  }
  for (int m = 0; m < 2; ++m) out[threadIdx.x * 2 + m] = r[m];
}

__global__ void warpgroup_multiply_256(const __half* a, const __half* b, int depth, float* d) {
  warpgroup_multiply<256>(
      a, b, depth, d,
      [](auto& sums, const auto& fragment, uint64_t descriptor) {
        cuda::wgmma_m64n256k16_f16(sums, fragment, descriptor);
      }
  );
}

__global__ void warpgroup_multiply_128(const __half* a, const __half* b, int depth, float* d) {
  warpgroup_multiply<128>(
      a, b, depth, d,
      [](auto& sums, const auto& fragment, uint64_t descriptor) {
        cuda::wgmma_m64n128k16_f16(sums, fragment, descriptor);
      }
  );
}

__global__ void warpgroup_multiply_64(const __half* a, const __half* b, int depth, float* d) {
  warpgroup_multiply<64>(a, b, depth, d, [](auto& sums, const auto& fragment, uint64_t descriptor) {
    cuda::wgmma_m64n64k16_f16(sums, fragment, descriptor);
  });
}

}  // namespace trellis::simt_test
