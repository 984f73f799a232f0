// The kernels of these tests. They are compiled as those of the CUDA backend are.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace trellis::simt_test {

// warp_kernels.cu

/// What each lane got: from lane 5, up 3, down 3, xor 9 and lane 1 of its eight; ten words a lane.
constexpr int kShuffleWords = 10;
__global__ void shuffle_every_way(const uint64_t* in, uint64_t* out);
/// Lanes below 12 sum among themselves, the others among themselves.
__global__ void sum_by_halves_of_a_warp(const int* in, int* out);
/// Ballot, any, all, match, and sum, minimum and maximum, signed and unsigned; ten words a lane.
constexpr int kVoteWords = 10;
__global__ void vote_every_way(const int* in, unsigned* out);
__global__ void block_sum(const float* in, int count, float* out);
/// Walsh-Hadamard transform of each 128 numbers, a warp for each, by shuffles.
__global__ void hadamard_128(float* x);

// matrix_kernels.cu: one warp, matrices row-major in global memory.

__global__ void multiply_u8s8(const uint8_t* a, const int8_t* b, int* d);
__global__ void multiply_s8s8(const int8_t* a, const int8_t* b, int* d);
__global__ void multiply_f16(const __half* a, const __half* b, float* d);
__global__ void multiply_bf16(const uint16_t* a, const uint16_t* b, float* d);
/// out[lane][matrix]: what ldmatrix gives for 8 x 8 matrices that lie one after the other.
__global__ void load_x4(const uint16_t* matrices, uint32_t* out, bool transposed);
__global__ void load_x2(const uint16_t* matrices, uint32_t* out, bool transposed);
/// The matrices of which a lane has what the transposed load_x4 gives it.
__global__ void store_x4(const uint32_t* elements, uint16_t* matrices);
/// d (64 x columns) = a (64 x depth) * b (columns x depth, one column after the other), by wgmma.
__global__ void warpgroup_multiply_256(const __half* a, const __half* b, int depth, float* d);
__global__ void warpgroup_multiply_128(const __half* a, const __half* b, int depth, float* d);
__global__ void warpgroup_multiply_64(const __half* a, const __half* b, int depth, float* d);

// copy_kernels.cu

/// What shared memory holds after the copies were started, after each of two waits, and of a copy
/// that was to be zeros.
__global__ void copy_in_two_groups(const uint4* in, uint4* out);
/// A ring of bulk copies: thread 0 fills slots while the others add them up.
__global__ void sum_by_bulk_copies(const float* in, int slots, float* out);
__global__ void read_fresh_shared_memory(unsigned* out);

// gemv_kernels.cu: y = w * x in integers, the weights streamed through a ring of asynchronous
// copies.

struct GemvArgs {
  const char* weights;        // [columns / 8][depth / 512][warp 16][lane][16 bytes]: A fragments
  const int8_t* activations;  // [depth]
  int* y;                     // [rows]
  int row_tiles;
  int chunks;  // of 512 along the depth
};
constexpr int kGemvThreads = 512;
constexpr int kGemvSlots = 4;
/// What its dynamic shared memory holds: the ring and the partial sums of sixteen warps.
constexpr int kGemvSharedBytes = kGemvSlots * 16 * 512 + 16 * 16 * 4;
__global__ void gemv_u8s8(const __grid_constant__ GemvArgs args);

// faulty_kernels.cu

__global__ void leave_before_shuffle(int* out);
__global__ void skip_barrier_in_one_warp(int* out);
__global__ void leave_before_barrier(int* out);
__global__ void read_unaligned_shared_memory(int* out);
__global__ void wait_for_bytes_that_never_come(int* out);
__global__ void overrun_shared_array(int index, int* out);
__global__ void overrun_dynamic_shared_memory(int index, int* out);
__global__ void write_global(int index, int* out);
__global__ void exchange_without_barrier(int* out);
__global__ void exchange_with_barrier(int* out);
__global__ void exchange_within_warp(bool synchronise, int* out);

}  // namespace trellis::simt_test
