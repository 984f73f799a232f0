// The PTX instructions that kernels of this project use, as functions (backend/cuda/device/ptx.cuh
// has the same ones as inline assembly). Operand layouts: PTX ISA, the sections on each
// instruction.
#pragma once

#include "simt/collective.h"
#include "simt/shared_variable.h"
#include "simt/thread.h"
#include "simt/vector_types.h"

#include <cmath>
#include <cstdint>
#include <limits>

/// Names the dynamic shared memory of the block.
#define TRELLIS_DYNAMIC_SHARED(name) char* const name = ::simt::dynamic_shared()

namespace simt {

/// The bytes at an address of the shared window; fails the launch unless they are of one variable
/// and aligned to their number, up to 16.
char* shared_pointer(uint32_t address, std::size_t bytes, const Where& where);

/// Fails the launch unless the pointer is aligned to 16 bytes, as the copies below need.
void check_aligned(const void* pointer, const Where& where);

void start_copy(uint32_t shared, const void* global, const Where& where);
void commit_copies();
void wait_for_copies(std::size_t pending);

/// What a lane brings to mma: fragments of A (16 x k), B (k x 8) and the accumulators (16 x 8).
template <typename T>
struct MmaOperand {
  uint32_t a[4];
  uint32_t b[2];
  T* d;
};
void mma_u8s8(void* const* operands, unsigned mask);
void mma_s8s8(void* const* operands, unsigned mask);
void mma_f16(void* const* operands, unsigned mask);
void mma_bf16(void* const* operands, unsigned mask);

/// What a lane brings to ldmatrix: the eight 16-bit numbers of one row, and its result.
struct MatrixRow {
  uint16_t row[8];
  uint32_t* result;
};
template <int Matrices, bool Transposed>
void load_matrices(void* const* operands, unsigned mask);
extern template void load_matrices<2, false>(void* const*, unsigned);
extern template void load_matrices<2, true>(void* const*, unsigned);
extern template void load_matrices<4, false>(void* const*, unsigned);
extern template void load_matrices<4, true>(void* const*, unsigned);

template <int Matrices, bool Transposed>
void ldmatrix(
    uint32_t (&r)[Matrices], uint32_t address, const char* operation, const Where& where
) {
  MatrixRow operand{{}, r};
  // Lanes beyond eight per matrix give no address.
  if (lane() < 8 * Matrices) {
    const auto* row = reinterpret_cast<const uint16_t*>(shared_pointer(address, 16, where));
    for (int i = 0; i < 8; ++i) operand.row[i] = row[i];
  }
  meet_warp(&operand, load_matrices<Matrices, Transposed>, operation, where);
}

/// What a lane brings to stmatrix: its elements of the matrices, and the row that it will store.
struct StoredRow {
  const uint32_t* elements;
  uint16_t row[8];
};
template <int Matrices, bool Transposed>
void gather_matrix_rows(void* const* operands, unsigned mask);
extern template void gather_matrix_rows<4, true>(void* const*, unsigned);

void issue_wgmma(
    float* d, int columns, const uint32_t (&a)[4], uint64_t b_descriptor, bool b_is_n_major,
    const Where& where
);
/// With A in shared memory; `adds` to d or overwrites it.
void issue_shared_wgmma(
    float* d, int columns, uint64_t a_descriptor, uint64_t b_descriptor, bool adds,
    const Where& where
);
void commit_wgmma(const Where& where);
void wait_for_wgmma(std::size_t pending, const Where& where);
void fence_wgmma(const Where& where);

void init_mbarrier(uint32_t barrier, uint32_t arrivals, const Where& where);
void arrive_at_mbarrier(uint32_t barrier, uint32_t bytes, const Where& where);
void wait_for_mbarrier(uint32_t barrier, uint32_t parity, const Where& where);
void start_bulk_copy(
    uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier, const Where& where
);

void meet_cluster(const Where& where);
void store_in_cluster(uint32_t address, unsigned rank, float value, const Where& where);

}  // namespace simt

namespace trellis::cuda {

/// The address of a byte of shared memory in the 32-bit window.
uint32_t shared_address(const void* pointer, const simt::Where& where = simt::Where::current());

inline uint4 load_shared_128(uint32_t address, const simt::Where& where = simt::Where::current()) {
  return *reinterpret_cast<const uint4*>(simt::shared_pointer(address, 16, where));
}

inline void store_shared_128(
    uint32_t address, uint4 value, const simt::Where& where = simt::Where::current()
) {
  *reinterpret_cast<uint4*>(simt::shared_pointer(address, 16, where)) = value;
}

inline uint4 load_global_stream(
    const void* pointer, const simt::Where& where = simt::Where::current()
) {
  simt::check_aligned(pointer, where);
  return *static_cast<const uint4*>(pointer);
}

inline void cp_async_16(
    uint32_t shared, const void* global, const simt::Where& where = simt::Where::current()
) {
  simt::check_aligned(global, where);
  simt::start_copy(shared, global, where);
}

inline void cp_async_16_zero(
    uint32_t shared, const void* global, bool valid,
    const simt::Where& where = simt::Where::current()
) {
  if (valid) simt::check_aligned(global, where);
  simt::start_copy(shared, valid ? global : nullptr, where);
}

inline void cp_async_commit() {
  simt::commit_copies();
}

/// Waits until at most N of the committed groups are still on their way.
template <int N>
void cp_async_wait() {
  simt::wait_for_copies(N);
}

#define SIMT_MMA(name, type, combine)                                                            \
  inline void name(                                                                              \
      type(&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1, \
      const simt::Where& where = simt::Where::current()                                          \
  ) {                                                                                            \
    simt::MmaOperand<type> operand{{a0, a1, a2, a3}, {b0, b1}, d};                               \
    simt::meet_warp(&operand, simt::combine, #name, where);                                      \
  }

SIMT_MMA(mma_m16n8k32_u8s8, int, mma_u8s8)
SIMT_MMA(mma_m16n8k32_s8s8, int, mma_s8s8)
SIMT_MMA(mma_m16n8k16_f16, float, mma_f16)
SIMT_MMA(mma_m16n8k16_bf16, float, mma_bf16)

#undef SIMT_MMA

#define SIMT_LDMATRIX(name, matrices, transposed)                                                 \
  inline void name(                                                                               \
      uint32_t(&r)[matrices], uint32_t address, const simt::Where& where = simt::Where::current() \
  ) {                                                                                             \
    simt::ldmatrix<matrices, transposed>(r, address, #name, where);                               \
  }

SIMT_LDMATRIX(ldmatrix_x2, 2, false)
SIMT_LDMATRIX(ldmatrix_x2_trans, 2, true)
SIMT_LDMATRIX(ldmatrix_x4, 4, false)
SIMT_LDMATRIX(ldmatrix_x4_trans, 4, true)

#undef SIMT_LDMATRIX

inline void stmatrix_x4_trans(
    uint32_t address, const uint32_t (&r)[4], const simt::Where& where = simt::Where::current()
) {
  simt::StoredRow operand{r, {}};
  simt::meet_warp(&operand, simt::gather_matrix_rows<4, true>, "stmatrix_x4_trans", where);
  auto* row = reinterpret_cast<uint16_t*>(simt::shared_pointer(address, 16, where));
  for (int i = 0; i < 8; ++i) row[i] = operand.row[i];
}

inline int thread_index() {
  return static_cast<int>(threadIdx.x);
}

/// 2^x, correctly rounded; what would be subnormal is 0.
inline float exp2_approximate(float x) {
  const float y = std::exp2(x);
  return y < std::numeric_limits<float>::min() ? 0.0f : y;
}

/// Any function of three bits, given by its truth table, on 32 bits at once.
template <uint32_t Table>
constexpr uint32_t lop3(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t result = 0;
  for (int row = 0; row < 8; ++row) {
    if (!(Table >> row & 1u)) continue;
    result |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
  }
  return result;
}

/// c plus the products of a's two halves with b's two lower bytes; sums wrap.
constexpr uint32_t dp2a_lo_u32(uint32_t a, uint32_t b, uint32_t c) {
  return c + (a & 0xFFFFu) * (b & 0xFFu) + (a >> 16) * (b >> 8 & 0xFFu);
}

/// c plus the products of a's unsigned with b's signed bytes; sums wrap.
constexpr int dp4a_u32_s32(uint32_t a, uint32_t b, int c) {
  auto sum = static_cast<uint32_t>(c);
  for (int i = 0; i < 32; i += 8) {
    sum += (a >> i & 0xFFu) * static_cast<uint32_t>(static_cast<int8_t>(b >> i));
  }
  return static_cast<int>(sum);
}

inline void cluster_barrier(const simt::Where& where = simt::Where::current()) {
  simt::meet_cluster(where);
}

inline void store_cluster_shared(
    uint32_t address, unsigned rank, float value, const simt::Where& where = simt::Where::current()
) {
  simt::store_in_cluster(address, rank, value, where);
}

inline void prefetch_l2(const void*) {}

// Launches follow each other without overlap here.
inline void dependents_launch() {}
inline void dependencies_wait() {}

inline constexpr bool kHasWgmma = true;
inline constexpr bool kNeedsMma = true;

inline void fence_proxy_async() {}

template <int kCount>
inline void release_registers() {
  static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
}
template <int kCount>
inline void acquire_registers() {
  static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
}
inline void wgmma_fence(const simt::Where& where = simt::Where::current()) {
  simt::fence_wgmma(where);
}

inline void wgmma_commit(const simt::Where& where = simt::Where::current()) {
  simt::commit_wgmma(where);
}

/// Waits until at most N committed groups are still being computed.
template <int N>
void wgmma_wait(const simt::Where& where = simt::Where::current()) {
  simt::wait_for_wgmma(N, where);
}

/// d (64 x 256 of the warpgroup) += a (64 x 16) * b (16 x 256).
inline void wgmma_m64n256k16_f16(
    float (&d)[128], const uint32_t (&a)[4], uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_wgmma(d, 256, a, b_descriptor, false, where);
}

/// d (64 x 128 of the warpgroup) += a (64 x 16) * b (16 x 128).
inline void wgmma_m64n128k16_f16(
    float (&d)[64], const uint32_t (&a)[4], uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_wgmma(d, 128, a, b_descriptor, false, where);
}

/// d (64 x 64 of the warpgroup) += a (64 x 16) * b (16 x 64).
inline void wgmma_m64n64k16_f16(
    float (&d)[32], const uint32_t (&a)[4], uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_wgmma(d, 64, a, b_descriptor, false, where);
}

/// The same with b's rows, not its columns, one after the other.
inline void wgmma_m64n64k16_f16_n_major(
    float (&d)[8][4], const uint32_t (&a)[4], uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_wgmma(&d[0][0], 64, a, b_descriptor, true, where);
}

/// The same with b (16 x 128).
inline void wgmma_m64n128k16_f16_n_major(
    float (&d)[16][4], const uint32_t (&a)[4], uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_wgmma(&d[0][0], 128, a, b_descriptor, true, where);
}

/// d (64 x 128 of the warpgroup) = a (64 x 16) * b (16 x 128), plus d where kAdds, both in shared
/// memory.
template <bool kAdds>
void wgmma_m64n128k16_f16_shared(
    float (&d)[16][4], uint64_t a_descriptor, uint64_t b_descriptor,
    const simt::Where& where = simt::Where::current()
) {
  simt::issue_shared_wgmma(&d[0][0], 128, a_descriptor, b_descriptor, kAdds, where);
}

/// Keeps the compiler from moving uses of d to the other side.
template <int kTiles>
void wgmma_hold(float (&)[kTiles][4]) {}

inline void mbarrier_init(
    uint32_t barrier, uint32_t arrivals, const simt::Where& where = simt::Where::current()
) {
  simt::init_mbarrier(barrier, arrivals, where);
}

inline void mbarrier_arrive(uint32_t barrier, const simt::Where& where = simt::Where::current()) {
  simt::arrive_at_mbarrier(barrier, 0, where);
}

/// Arrives, and makes the phase wait for as many bytes of bulk copies.
inline void mbarrier_arrive_expect_tx(
    uint32_t barrier, uint32_t bytes, const simt::Where& where = simt::Where::current()
) {
  simt::arrive_at_mbarrier(barrier, bytes, where);
}

/// Whether the phase of this parity is over. Waits until it is, as the device may.
inline bool mbarrier_try_wait_parity(
    uint32_t barrier, uint32_t parity, const simt::Where& where = simt::Where::current()
) {
  simt::wait_for_mbarrier(barrier, parity, where);
  return true;
}

/// Copies to shared memory and counts the bytes at the barrier. All of 16 bytes, aligned to 16.
inline void bulk_copy_global_to_shared(
    uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier,
    const simt::Where& where = simt::Where::current()
) {
  simt::check_aligned(global, where);
  simt::start_bulk_copy(shared, global, bytes, barrier, where);
}

}  // namespace trellis::cuda
