// The machine's instructions that CUDA C++ has no name for, one function each, with its contract in
// one line. Nothing else in this backend contains inline assembly. Fragment layouts are those of
// the PTX ISA, "Matrix multiply-accumulate operation using mma instruction". Under the host
// emulation simt/ptx.h defines the same functions.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#if defined(TRELLIS_SIMT)
#include "simt/ptx.h"
#else

/// Declares the dynamic shared memory of a kernel as `char name[]`.
#define TRELLIS_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) char name[]

namespace trellis::cuda {

// --- Shared and global memory.

/// The address of a byte of shared memory as the instructions below take it.
__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// Reads 16 bytes of shared memory. address: a multiple of 16.
__device__ __forceinline__ uint4 load_shared_128(uint32_t address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

/// Writes 16 bytes of shared memory. address: a multiple of 16.
__device__ __forceinline__ void store_shared_128(uint32_t address, uint4 v) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}

/// Reads 16 bytes that nobody reads again soon: they do not stay in L1.
__device__ __forceinline__ uint4 load_global_stream(const void* pointer) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(pointer));
  return v;
}

/// Has the line of 128 bytes around an address brought to L2.
__device__ __forceinline__ void prefetch_l2(const void* global) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
}

/// Starts copying 16 bytes from global to shared memory; they are there after cp_async_wait().
__device__ __forceinline__ void cp_async_16(uint32_t shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}

/// The same, or zeros in their place when not valid (global is then not read).
__device__ __forceinline__ void cp_async_16_zero(uint32_t shared, const void* global, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global),
               "r"(bytes)
               : "memory");
}

/// Closes a group of this thread's copies; it may be empty.
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits until all but the newest kPending groups of this thread have arrived.
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// --- Tensor cores. Lane = 4 * g + t.

/// d[16 x 8] += a[16 x 32] u8 * b[32 x 8] s8, exact in 32-bit integers.
__device__ __forceinline__ void mma_m16n8k32_u8s8(
    int (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1
) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1)
  );
}

/// d[16 x 8] += a[16 x 16] fp16 * b[16 x 8] fp16, summed in fp32.
__device__ __forceinline__ void mma_m16n8k16_f16(
    float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1
) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1)
  );
}

/// d[16 x 8] += a[16 x 16] bf16 * b[16 x 8] bf16, summed in fp32.
__device__ __forceinline__ void mma_m16n8k16_bf16(
    float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1
) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1)
  );
}

/// Loads four 8 x 8 matrices of 16-bit numbers; lane i gives the address of row i % 8 of matrix
/// i / 8.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// The same, each matrix transposed.
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

/// Stores four 8 x 8 matrices of 16-bit numbers, each transposed; lane i gives the address of row
/// i % 8 of matrix i / 8, and the elements of r are placed as ldmatrix_x4_trans() loads them. From
/// sm_90 on.
__device__ __forceinline__ void stmatrix_x4_trans(uint32_t address, const uint32_t (&r)[4]) {
  asm volatile(
      "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
      "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
      : "memory"
  );
}

// --- Tensor cores of sm_90a: a warpgroup's products, which go on while its warps do other things.
// Where kHasWgmma is false none of these may be called.

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool kHasWgmma = true;
#else
inline constexpr bool kHasWgmma = false;
#endif
/// Whether kernels that wgmma replaces have a body.
inline constexpr bool kNeedsMma = !kHasWgmma;

/// Gives up or takes registers, so that each thread of this warpgroup has kCount: a multiple of 8
/// from 24 to 256. Taking waits until other warpgroups of the CTA have given up enough.
template <int kCount>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ __forceinline__ void acquire_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

/// Orders this warp's accesses to registers before the next product that uses them.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

/// Closes a group of products.
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/// Waits until all but the newest kPending groups have been computed.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

#define TRELLIS_SUMS4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define TRELLIS_SUMS16(i) \
  TRELLIS_SUMS4(i), TRELLIS_SUMS4((i) + 4), TRELLIS_SUMS4((i) + 8), TRELLIS_SUMS4((i) + 12)

/// d (64 x 64 of the warpgroup) += a (64 x 16) fp16 * b (16 x 64) fp16, summed in fp32. a: this
/// warp's 16 rows as a fragment of mma.m16n8k16; d: as its accumulators, for every eight columns.
/// b: in shared memory, one column after the other.
__device__ __forceinline__ void wgmma_m64n64k16_f16(
    float (&d)[32], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
      "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 0;"
      : TRELLIS_SUMS16(0), TRELLIS_SUMS16(16)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_descriptor)
  );
}

/// The same with b (16 x 128).
__device__ __forceinline__ void wgmma_m64n128k16_f16(
    float (&d)[64], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 0;"
      : TRELLIS_SUMS16(0), TRELLIS_SUMS16(16), TRELLIS_SUMS16(32), TRELLIS_SUMS16(48)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_descriptor)
  );
}

/// The same with b (16 x 256).
__device__ __forceinline__ void wgmma_m64n256k16_f16(
    float (&d)[128], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, "
      "%127"
      "}, {%128, %129, %130, %131}, %132, 1, 1, 1, 0;"
      : TRELLIS_SUMS16(0), TRELLIS_SUMS16(16), TRELLIS_SUMS16(32), TRELLIS_SUMS16(48),
        TRELLIS_SUMS16(64), TRELLIS_SUMS16(80), TRELLIS_SUMS16(96), TRELLIS_SUMS16(112)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_descriptor)
  );
}

#undef TRELLIS_SUMS16
#undef TRELLIS_SUMS4

#define TRELLIS_TILE(n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define TRELLIS_TILES8(n)                                                               \
  TRELLIS_TILE(n), TRELLIS_TILE((n) + 1), TRELLIS_TILE((n) + 2), TRELLIS_TILE((n) + 3), \
      TRELLIS_TILE((n) + 4), TRELLIS_TILE((n) + 5), TRELLIS_TILE((n) + 6), TRELLIS_TILE((n) + 7)

/// d (64 x 64 of the warpgroup) += a (64 x 16) fp16 * b (16 x 64) fp16, summed in fp32. As
/// wgmma_m64n64k16_f16, but with b's rows, not its columns, one after the other.
__device__ __forceinline__ void wgmma_m64n64k16_f16_n_major(
    float (&d)[8][4], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
      "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
      : TRELLIS_TILES8(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_descriptor)
  );
}

/// The same with b (16 x 128).
__device__ __forceinline__ void wgmma_m64n128k16_f16_n_major(
    float (&d)[16][4], const uint32_t (&a)[4], uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
      : TRELLIS_TILES8(0), TRELLIS_TILES8(8)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_descriptor)
  );
}

/// d (64 x 128 of the warpgroup) = a (64 x 16) fp16 * b (16 x 128) fp16, plus d where kAdds, summed
/// in fp32. a and b: in shared memory, one row of a and one column of b after the other.
template <bool kAdds>
__device__ __forceinline__ void wgmma_m64n128k16_f16_shared(
    float (&d)[16][4], uint64_t a_descriptor, uint64_t b_descriptor
) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, %64, %65, %66, 1, 1, 0, 0;"
      : TRELLIS_TILES8(0), TRELLIS_TILES8(8)
      : "l"(a_descriptor), "l"(b_descriptor), "n"(kAdds ? 1 : 0)
  );
}

#undef TRELLIS_TILES8
#undef TRELLIS_TILE

/// Keeps the compiler from moving uses of d, the sums of products that have been waited for or are
/// about to start, to the other side.
template <int kTiles>
__device__ __forceinline__ void wgmma_hold(float (&d)[kTiles][4]) {
#pragma unroll
  for (auto& tile : d) {
    asm volatile("" : "+f"(tile[0]), "+f"(tile[1]), "+f"(tile[2]), "+f"(tile[3])::"memory");
  }
}

// --- Barriers in shared memory, and copies that count at them; from sm_90 on.

/// Makes a barrier (8 bytes) whose phases end after so many arrivals.
__device__ __forceinline__ void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/// Arrives, and makes the phase wait for as many bytes of bulk copies.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

/// Whether the phase of this parity is over; it may wait for that a while.
__device__ __forceinline__ bool mbarrier_try_wait_parity(uint32_t barrier, uint32_t parity) {
  uint32_t over;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}"
      : "=r"(over)
      : "r"(barrier), "r"(parity)
      : "memory"
  );
  return over != 0;
}

/// Starts copying to shared memory and counts the bytes at the barrier. All of 16 bytes, aligned
/// to 16.
__device__ __forceinline__ void bulk_copy_global_to_shared(
    uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier
) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared),
      "l"(global), "r"(bytes), "r"(barrier)
      : "memory"
  );
}

/// Orders this thread's accesses to shared memory before those of copies and products.
__device__ __forceinline__ void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// --- Threads.

/// threadIdx.x, read anew at every call: what a loop derives from it takes no register between its
/// uses.
__device__ __forceinline__ int thread_index() {
  int index;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
  return index;
}

// --- Floats.

/// 2^x within 2 ulp, and exactly for 0 and minus infinity; what would be subnormal is 0.
__device__ __forceinline__ float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// --- Integers.

/// Bitwise function kTable of three words; bit 4a + 2b + c of the table is the result for a, b, c.
template <uint32_t kTable>
__device__ __forceinline__ uint32_t lop3(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r;
  asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(c), "n"(kTable));
  return r;
}

/// c + low half of a * byte 0 of b + high half of a * byte 1 of b, unsigned.
__device__ __forceinline__ uint32_t dp2a_lo_u32(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r;
  asm("dp2a.lo.u32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

/// c + the four bytes of a, unsigned, times the four bytes of b, signed.
__device__ __forceinline__ int dp4a_u32_s32(uint32_t a, uint32_t b, int c) {
  int r;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

// --- Clusters, which only GPUs from sm_90 on have: neighbouring CTAs that run at the same time.

/// Waits for all threads of the cluster, and orders what they wrote before what they read. Nobody
/// may write to another CTA's shared memory before the first, when that CTA has begun.
__device__ __forceinline__ void cluster_barrier() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

/// Writes to the place at `address` in the shared memory of CTA `rank` of the cluster.
__device__ __forceinline__ void store_cluster_shared(uint32_t address, unsigned rank, float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t there;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(there), "f"(value) : "memory");
#endif
}

// --- Programmatic dependent launch; without effect before sm_90.

/// Lets the kernel behind this one in the stream start as soon as every CTA has called it.
__device__ __forceinline__ void dependents_launch() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Waits until the kernels in front have ended and their writes can be seen.
__device__ __forceinline__ void dependencies_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace trellis::cuda

#endif  // TRELLIS_SIMT
