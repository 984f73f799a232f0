// y[r, n] = sum_k x[r, k] Wt[k, n] for up to eight rows, straight from trellis words.
//
// Form (found best on an H200 of those tried): a CTA of 16 warps per SM owns whole groups of
// columns over all inputs, so nothing is summed across CTAs; its warps take turns on chunks of the
// inputs. Weights are the A operand of the tensor cores: lane 4 g + t decodes run g of input tile
// t, that is 16 inputs of columns g and g + 8, and holds just what an A fragment wants of them.
//
// mul1: the weight is affine in the sum of the product's four bytes, so the product itself, as four
// unsigned bytes along k, meets the activation's byte four times over (exact integers). A second
// column carries the residual of the rounded activation, which makes it 15 bits.
//
// 3inst, mcg: the two halves whose sum is the weight, as two numbers along k, meet the activation
// twice over; their sum is not rounded to a half as the codebook says, 2^-11 at most.
//
// Traffic: K bits per weight once, from DRAM; 2 bytes per activation and CTA from L2. Bound by
// issue slots for K <= 5 and by DRAM for K = 8 on a H200: cuda.md has the measured shares.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/gemv_shape.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/quantize_block.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/exl3_window.h"
#include "backend/cuda/kernels/exl3_gemv.h"

#include <cuda_fp16.h>

namespace trellis::cuda {

/// Of the groups of all matrices in a row, those of one CTA.
struct GemvShare {
  int groups_per_cta = 0;
  int longer_ctas = 0;  // the first so many have one more

  TRELLIS_HD int first(int cta) const {
    return cta * groups_per_cta + (cta < longer_ctas ? cta : longer_ctas);
  }
};

namespace gemv {

/// Windows out of eight whose 16 bits are taken out by a dot product: evens the load of the two
/// integer pipes (measured on an H200).
template <int kBits, exl3::Codebook kCodebook>
inline constexpr int kBalanced =
    kCodebook != exl3::Codebook::kMul1 ? 4
                                       : (kBits == 8 ? 0 : (kBits % 2 == 0 && kBits < 6 ? 2 : 3));

template <int kBits, exl3::Codebook kCodebook>
__device__ __forceinline__ uint32_t
decode(const uint32_t (&run)[kBits], uint32_t before, int index, bool balanced) {
  if (!balanced) return mix<kCodebook>(window<kBits>(run, before, index));
  const WindowWord found = window_word<kBits>(run, before, index);
  // Half 0 times 1, or times 256 and a byte further up: the word's lower or upper half.
  return mix<kCodebook>(dp2a_lo_u32(found.bits, found.upper ? 0x100u : 0x1u, 0));
}

/// Adds 64 inputs of 16 columns: sums[j] of D[column g (j < 2) or g + 8][B column 2 t + j % 2].
template <class Shape, int kBits, exl3::Codebook kCodebook, typename Sum>
__device__ __forceinline__ void multiply_step(
    Sum (&sums)[Shape::kSets][4], const uint32_t (&run)[kBits], uint32_t before,
    const uint32_t (&b)[Shape::kSets][16]
) {
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    uint32_t x[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      x[i] = decode<kBits, kCodebook>(run, before, 8 * s + i, i < kBalanced<kBits, kCodebook>);
      if constexpr (!Shape::kIntegers) x[i] = masked_halves(x[i]);
    }
#pragma unroll
    for (int set = 0; set < Shape::kSets; ++set) {
      const uint32_t* a = b[set] + 4 * s;
      if constexpr (Shape::kIntegers) {
        mma_m16n8k32_u8s8(sums[set], x[0], x[4], x[1], x[5], a[0], a[1]);
        mma_m16n8k32_u8s8(sums[set], x[2], x[6], x[3], x[7], a[2], a[3]);
      } else {
        mma_m16n8k16_f16(sums[set], x[0], x[4], x[1], x[5], a[0], a[1]);
        mma_m16n8k16_f16(sums[set], x[2], x[6], x[3], x[7], a[2], a[3]);
      }
    }
  }
}

/// The B operand of 64 inputs, one column of the sums to a lane. step: its shared memory.
template <class Shape>
__device__ __forceinline__ void load_activations(uint32_t (&b)[16], uint32_t step, int column) {
  const int t = static_cast<int>(threadIdx.x) % 4;
  if constexpr (Shape::kSplat) {
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const uint4 v = load_shared_128(step + (s * Shape::kSums + column) * 64 + t * 16);
      b[4 * s] = v.x;
      b[4 * s + 1] = v.y;
      b[4 * s + 2] = v.z;
      b[4 * s + 3] = v.w;
    }
  } else if constexpr (Shape::kIntegers) {
    const uint4 v = load_shared_128(step + (column * 4 + t) * 16);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      b[4 * s] = __byte_perm(words[s], 0, 0x0000);
      b[4 * s + 1] = __byte_perm(words[s], 0, 0x1111);
      b[4 * s + 2] = __byte_perm(words[s], 0, 0x2222);
      b[4 * s + 3] = __byte_perm(words[s], 0, 0x3333);
    }
  } else {
    const uint4 v = load_shared_128(step + (column * 4 + t) * 32);
    const uint4 w = load_shared_128(step + (column * 4 + t) * 32 + 16);
    const uint32_t words[8] = {v.x, v.y, v.z, v.w, w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = __byte_perm(words[i], 0, 0x1010);
      b[2 * i + 1] = __byte_perm(words[i], 0, 0x3232);
    }
  }
}

/// Puts a pair of neighbouring activations (inputs 2 s + 8 h and the next of a tile) where
/// load_activations() finds them. bits: two bytes or two halves, the first in the lower part.
template <class Shape>
__device__ __forceinline__ void store_pair(
    char* step, int column, int tile, int s, int h, uint32_t bits
) {
  if constexpr (Shape::kSplat) {
    uint2 splat;
    splat.x = __byte_perm(bits, 0, Shape::kIntegers ? 0x0000 : 0x1010);
    splat.y = __byte_perm(bits, 0, Shape::kIntegers ? 0x1111 : 0x3232);
    *reinterpret_cast<uint2*>(step + (s * Shape::kSums + column) * 64 + tile * 16 + h * 8) = splat;
  } else if constexpr (Shape::kIntegers) {
    *reinterpret_cast<uint16_t*>(step + (column * 4 + tile) * 16 + s * 4 + h * 2) =
        static_cast<uint16_t>(bits);
  } else {
    *reinterpret_cast<uint32_t*>(step + (column * 4 + tile) * 32 + s * 8 + h * 4) = bits;
  }
}

/// What turns a row's sums into numbers.
struct RowScale {
  float scale;  // of one unit of the rounded activation
  int sum;      // of the rounded activations, which mul1's affine offset multiplies
  int residual_sum;
};

/// Eight activations of a row, inputs 8 i to 8 i + 7.
struct Eight {
  uint4 integers;
  float scale;
};
__device__ __forceinline__ Eight fetch_eight(const QuantizedInput& input, int row, int i) {
  const int stride = static_cast<int>(input.stride);
  const auto* integers = reinterpret_cast<const uint4*>(input.integers + row * input.stride);
  return {__ldcg(integers + i), __ldcg(input.scales + row * (stride / 128) + i / 16)};
}

/// Rounds eight activations in units of the row and stores them. sum, residual_sum: added to.
template <class Shape, int kRows>
__device__ __forceinline__ void store_eight(
    const Eight& eight, char* activations, int row, int i, float unit, int& sum, int& residual_sum
) {
  char* step = activations + i / 8 * Shape::kStepBytes;
  const int tile = i / 2 % 4;
  const int h = i % 2;
  const uint32_t words[4] = {
      eight.integers.x, eight.integers.y, eight.integers.z, eight.integers.w
  };
  // Integers: +-127 units; halves: +-1.
  const float factor = unit > 0.0f ? eight.scale / unit : 0.0f;
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    const float first = static_cast<float>(static_cast<int16_t>(words[s] & 0xFFFFu)) * factor;
    const float second = static_cast<float>(static_cast<int16_t>(words[s] >> 16)) * factor;
    if constexpr (Shape::kIntegers) {
      const float a = first * (127.0f / 32767.0f);
      const float b = second * (127.0f / 32767.0f);
      const int a1 = __float2int_rn(a);
      const int b1 = __float2int_rn(b);
      const int a2 = __float2int_rn((a - static_cast<float>(a1)) * 254.0f);
      const int b2 = __float2int_rn((b - static_cast<float>(b1)) * 254.0f);
      sum += a1 + b1;
      residual_sum += a2 + b2;
      const auto pack = [](int low, int high) {
        return (static_cast<uint32_t>(low) & 0xFFu) | ((static_cast<uint32_t>(high) & 0xFFu) << 8);
      };
      store_pair<Shape>(step, row, tile, s, h, pack(a1, b1));
      store_pair<Shape>(step, kRows + row, tile, s, h, pack(a2, b2));
    } else {
      const __half2 pair = __floats2half2_rn(first * (1.0f / 32767.0f), second * (1.0f / 32767.0f));
      store_pair<Shape>(step, row, tile, s, h, as_bits(pair));
    }
  }
}

/// The column of the sums whose activations a lane's B column carries, in one set.
template <class Shape, int kRows>
__device__ __forceinline__ int sum_column(int set) {
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4;
  if constexpr (Shape::kSets == 2) return set * 8 + g;
  if constexpr (kRows == 1) return Shape::kIntegers ? g / 4 : 0;
  return g % Shape::kSums;
}

}  // namespace gemv

template <int kBits, exl3::Codebook kCodebook, int kRows>
__global__ void __launch_bounds__(GemvShape<kBits, kCodebook, kRows>::kThreads, 1) gemv_kernel(
    const __grid_constant__ GemvProblem problem, const __grid_constant__ GemvShare share
) {
  using Shape = GemvShape<kBits, kCodebook, kRows>;
  using Sum = std::conditional_t<Shape::kIntegers, int, float>;
  TRELLIS_DYNAMIC_SHARED(shared);
  __shared__ gemv::RowScale row_scales[kRows];
  __shared__ int warp_sums[kRows][2][Shape::kWarps];
  dependents_launch();

  const int tid = static_cast<int>(threadIdx.x);
  const int warp = tid / kWarp;
  const int lane = tid % kWarp;
  const int g = lane / 4;
  const int t = lane % 4;
  const int chunks = problem.chunks;
  const int steps = (chunks - warp + Shape::kWarps - 1) / Shape::kWarps;  // of this warp, per group
  const int begin = share.first(static_cast<int>(blockIdx.x));
  const int end = share.first(static_cast<int>(blockIdx.x) + 1);
  const uint32_t ring =
      shared_address(shared) + warp * Shape::kSlots * Shape::kSlotBytes + lane * 16;
  const uint32_t ring_end = ring + Shape::kSlots * Shape::kSlotBytes;
  Sum* sums = reinterpret_cast<Sum*>(shared + Shape::kRingBytes);
  char* activations = shared + Shape::kRingBytes + Shape::kSumBytes;
  const uint32_t activations_address = shared_address(activations);

  int matrix = 0;
  int first = 0;  // of the matrix's groups, in the row of all
  while (begin >= first + problem.matrices[matrix].groups && matrix + 1 < problem.num_matrices) {
    first += problem.matrices[matrix++].groups;
  }

  // The stream of this lane's weights, which runs ahead of the products over all matrices.
  const size_t lane_offset = static_cast<size_t>(warp) * Shape::kSlotBytes + lane * 16;
  const auto matrix_source = [&](int index, int group) {
    return reinterpret_cast<const char*>(problem.matrices[index].words) +
           static_cast<size_t>(group) * chunks * Shape::kSlotBytes + lane_offset;
  };
  const char* source = matrix_source(matrix, begin - first);
  int stream_matrix = matrix;
  int stream_groups = problem.matrices[matrix].groups - (begin - first);  // left in its matrix
  int to_issue = (end - begin) * steps;
  int stream_step = 0;
  uint32_t fill = ring;
  const auto issue = [&] {
    if (to_issue > 0) {
      --to_issue;
#pragma unroll
      for (int p = 0; p < Shape::kPieces; ++p) cp_async_16(fill + p * 512, source + p * 512);
      source += Shape::kWarps * Shape::kSlotBytes;
      if (++stream_step == steps) {
        stream_step = 0;
        source += static_cast<ptrdiff_t>(chunks - steps * Shape::kWarps) * Shape::kSlotBytes;
        if (--stream_groups == 0 && stream_matrix + 1 < problem.num_matrices) {
          ++stream_matrix;
          stream_groups = problem.matrices[stream_matrix].groups;
          source = matrix_source(stream_matrix, 0);
        }
      }
      fill += Shape::kSlotBytes;
      if (fill == ring_end) fill = ring;
    }
    cp_async_commit();  // an empty group keeps the counts right
  };

  // One slot before the kernel in front has ended; every byte more would delay the activations.
  issue();
  dependencies_wait();

  uint32_t head = ring;
  int pending = 0;  // groups whose sums wait in shared memory
  bool ring_filled = false;
  for (int group = begin; group < end;) {
    const GemvMatrix& current = problem.matrices[matrix];
    const int matrix_end = min(end, first + current.groups);

    // Activations of this matrix.
    const int eights = chunks * Shape::kSteps * 8;
    const int blocks = static_cast<int>(current.input.stride) / 128;
    gemv::Eight eight{};
    if (tid < eights) eight = gemv::fetch_eight(current.input, 0, tid);
    if (!ring_filled) {
#pragma unroll 1
      for (int slot = 1; slot < Shape::kSlots; ++slot) issue();
      ring_filled = true;
    } else {
      __syncthreads();  // the last matrix's sums have been read
    }
    for (int row = 0; row < problem.rows; ++row) {
      const float unit =
          row_unit(current.input.scales + row * (current.input.stride / 128), blocks);
      int sum = 0;
      int residual_sum = 0;
      for (int i = tid; i < eights; i += Shape::kThreads) {
        if (row > 0 || i != tid) eight = gemv::fetch_eight(current.input, row, i);
        gemv::store_eight<Shape, kRows>(eight, activations, row, i, unit, sum, residual_sum);
      }
      if constexpr (Shape::kIntegers) {
        sum = __reduce_add_sync(kAllLanes, sum);
        residual_sum = __reduce_add_sync(kAllLanes, residual_sum);
        if (lane == 0) {
          warp_sums[row][0][warp] = sum;
          warp_sums[row][1][warp] = residual_sum;
        }
      }
      if (tid == 0) {
        row_scales[row].scale = unit * (Shape::kIntegers ? 32767.0f / 127.0f : 32767.0f);
      }
    }
    __syncthreads();
    if constexpr (Shape::kIntegers) {
      if (tid < problem.rows) {
        int sum = 0;
        int residual_sum = 0;
        for (int w = 0; w < Shape::kWarps; ++w) {
          sum += warp_sums[tid][0][w];
          residual_sum += warp_sums[tid][1][w];
        }
        row_scales[tid].sum = sum;  // read behind the barrier in front of the outputs
        row_scales[tid].residual_sum = residual_sum;
      }
    }

    for (; group < matrix_end; ++group) {
      Sum total[Shape::kTiles][Shape::kSets][4] = {};
      uint32_t step = activations_address + warp * Shape::kSteps * Shape::kStepBytes;
#pragma unroll 1
      for (int j = 0; j < steps; ++j) {
        uint4 pieces[Shape::kPieces];
        cp_async_wait<Shape::kSlots - 1>();
#pragma unroll
        for (int p = 0; p < Shape::kPieces; ++p) pieces[p] = load_shared_128(head + p * 512);
        head += Shape::kSlotBytes;
        if (head == ring_end) head = ring;
        const uint32_t* words = &pieces[0].x;
#pragma unroll
        for (int s = 0; s < Shape::kSteps; ++s) {
          uint32_t b[Shape::kSets][16];
#pragma unroll
          for (int set = 0; set < Shape::kSets; ++set) {
            gemv::load_activations<Shape>(
                b[set], step + s * Shape::kStepBytes, gemv::sum_column<Shape, kRows>(set)
            );
          }
#pragma unroll
          for (int tile = 0; tile < Shape::kTiles; ++tile) {
            uint32_t run[kBits];
#pragma unroll
            for (int k = 0; k < kBits; ++k) run[k] = words[(tile * Shape::kSteps + s) * kBits + k];
            const uint32_t before =
                __shfl_sync(kAllLanes, run[kBits - 1], (lane + kWarp - 4) % kWarp);
            gemv::multiply_step<Shape, kBits, kCodebook>(total[tile], run, before, b);
          }
        }
        step += Shape::kWarps * Shape::kSteps * Shape::kStepBytes;
        issue();
      }

      Sum* mine = sums + (pending * Shape::kWarps + warp) * Shape::kWarpSums + g;
#pragma unroll
      for (int tile = 0; tile < Shape::kTiles; ++tile) {
#pragma unroll
        for (int set = 0; set < Shape::kSets; ++set) {
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            const int b_column = 2 * t + j % 2;
            Sum* place = mine + tile * kTileSize + j / 2 * 8;
            if constexpr (kRows == 1) {
              // Columns 0 to 3 carry the numbers, 4 to 7 the residual.
              if (b_column % 4 == 0 && b_column / 4 < Shape::kSums) {
                place[b_column / 4 * Shape::kSumStride] = total[tile][set][j];
              }
            } else if (set * 8 + b_column < Shape::kSums) {
              place[(set * 8 + b_column) * Shape::kSumStride] = total[tile][set][j];
            }
          }
        }
      }
      if (++pending < Shape::kBatch && group + 1 < matrix_end) continue;

      __syncthreads();
      const int outputs = pending * Shape::kGroupColumns;
      for (int i = tid; i < outputs * problem.rows; i += Shape::kThreads) {
        const int row = i / outputs;
        const int column = i % Shape::kGroupColumns;
        const int batch = i % outputs / Shape::kGroupColumns;
        const Sum* part = sums + batch * Shape::kWarps * Shape::kWarpSums + column;
        Sum sum = 0;
        Sum residual = 0;
#pragma unroll
        for (int w = 0; w < Shape::kWarps; ++w) {
          sum += part[w * Shape::kWarpSums + row * Shape::kSumStride];
          if constexpr (Shape::kIntegers) {
            residual += part[w * Shape::kWarpSums + (kRows + row) * Shape::kSumStride];
          }
        }
        const gemv::RowScale& scale = row_scales[row];
        float y = static_cast<float>(sum);
        if constexpr (Shape::kIntegers) {
          // The weight of a byte sum b is 0.00676727... * (b - 510) - 0.0018...; b - 510 is exact.
          const auto centered = static_cast<float>(sum - 510 * scale.sum);
          const auto rest = static_cast<float>(residual - 510 * scale.residual_sum);
          const float activation =
              static_cast<float>(scale.sum) + static_cast<float>(scale.residual_sum) / 254.0f;
          y = 0.00676727294921875f * (centered + rest / 254.0f) - 0.0018157958984375f * activation;
        }
        const int64_t n =
            static_cast<int64_t>(group - first + 1 - pending + batch) * Shape::kGroupColumns +
            column;
        const int64_t stride = static_cast<int64_t>(current.groups) * Shape::kGroupColumns;
        current.y[row * stride + n] = scale.scale * y;
      }
      pending = 0;
      if (group + 1 < matrix_end) __syncthreads();
    }
    first += current.groups;
    ++matrix;
  }
}

}  // namespace trellis::cuda
