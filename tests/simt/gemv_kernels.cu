// The shape of a matrix times a vector as the decode kernels have it: sixteen warps split the
// depth, each lane streams the weights it needs itself through a ring of asynchronous copies, the
// tensor cores multiply, and the partial sums of the warps meet in shared memory.
#include "simt/kernels.h"
#include "simt/ptx.h"

namespace trellis::simt_test {

__global__ void __launch_bounds__(kGemvThreads, 1)
    gemv_u8s8(const __grid_constant__ GemvArgs args) {
  constexpr int kWarps = kGemvThreads / 32;
  constexpr int kWarpBytes = 512;  // 16 bytes a lane: one A fragment, 16 rows by 32
  TRELLIS_DYNAMIC_SHARED(shared);
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const uint32_t ring = cuda::shared_address(shared) + (warp * kGemvSlots * 32 + lane) * 16;
  int* partial = reinterpret_cast<int*>(shared + kWarps * kGemvSlots * kWarpBytes);

  cuda::dependents_launch();
  for (int tile = static_cast<int>(blockIdx.x); tile < args.row_tiles;
       tile += static_cast<int>(gridDim.x)) {
    const char* weights = args.weights +
                          (static_cast<int64_t>(tile) * args.chunks * kWarps + warp) * kWarpBytes +
                          lane * 16;
    const auto issue = [&](int chunk) {
      if (chunk < args.chunks) {
        cuda::cp_async_16(
            ring + static_cast<uint32_t>(chunk % kGemvSlots) * kWarpBytes,
            weights + static_cast<int64_t>(chunk) * kWarps * kWarpBytes
        );
      }
      cuda::cp_async_commit();  // an empty group keeps the counts right
    };
    for (int chunk = 0; chunk < kGemvSlots - 1; ++chunk) issue(chunk);
    cuda::dependencies_wait();
    int sums[4] = {};
    for (int chunk = 0; chunk < args.chunks; ++chunk) {
      cuda::cp_async_wait<kGemvSlots - 2>();
      const uint4 a =
          cuda::load_shared_128(ring + static_cast<uint32_t>(chunk % kGemvSlots) * kWarpBytes);
      // All eight columns of B are the vector; only column 0 is used.
      const auto* x = reinterpret_cast<const uint32_t*>(
          args.activations + (chunk * kWarps + warp) * 32 + lane % 4 * 4
      );
      cuda::mma_m16n8k32_u8s8(sums, a.x, a.y, a.z, a.w, __ldg(x), __ldg(x + 4));
      issue(chunk + kGemvSlots - 1);
    }
    if (lane % 4 == 0) {
      partial[warp * 16 + lane / 4] = sums[0];
      partial[warp * 16 + lane / 4 + 8] = sums[2];
    }
    __syncthreads();
    if (thread < 16) {
      int sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += partial[w * 16 + thread];
      args.y[tile * 16 + thread] = sum;
    }
    __syncthreads();
  }
}

}  // namespace trellis::simt_test
