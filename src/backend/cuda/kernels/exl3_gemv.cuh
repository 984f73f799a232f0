// y[r, n] = sum_k x[r, k] Wt[k, n] for up to eight rows, straight from trellis words.
//
// Form (found best on an H200 of those tried): a CTA of 16 warps per SM owns whole groups of
// columns over all inputs, so nothing is summed across CTAs; its warps take turns on chunks of the
// inputs. Weights are the A operand of the tensor cores: lane 4 g + t decodes run g of input tile
// t, that is 16 inputs of columns g and g + 8, and holds just what an A fragment wants of them.
//
// mul1: the weight is affine in the sum of the product's four bytes, so the product itself, as four
// unsigned bytes along k, meets the activation's byte four times over (exact integers). A second
// column carries the lower byte of the activation, which makes it 16 bits.
//
// 3inst, mcg: the two halves whose sum is the weight, as two numbers along k, meet the activation
// twice over; their sum is not rounded to a half as the codebook says, 2^-11 at most.
//
// Traffic: K bits per weight once, from DRAM; 2 bytes per activation and CTA from L2. Bound by
// issue slots for K <= 5 and by DRAM for K = 8 on a H200: cuda.md has the measured shares.
#pragma once

#include "backend/cuda/device/codebook.cuh"
#include "backend/cuda/device/gemv_activations.cuh"
#include "backend/cuda/device/gemv_shape.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/exl3_window.h"
#include "backend/cuda/kernels/exl3_gemv.h"

#include <cuda_fp16.h>

namespace trellis::cuda {

/// Of the groups of all matrices in a row, those of one CTA, and how it holds its inputs.
struct GemvShare {
  int groups_per_cta = 0;
  int longer_ctas = 0;  // the first so many have one more
  GemvMemory memory;

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

/// What turns a row's sums into numbers.
struct RowScale {
  float scale;     // of one unit of the operand, the row's norm included
  PlaneSums sums;  // of its planes, which mul1's affine offset multiplies
};

/// The column of the sums whose activations a lane's B column carries, in one set.
template <class Shape, int kRows>
__device__ __forceinline__ int sum_column(int set) {
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4;
  if constexpr (Shape::kSets == 2) return set * 8 + g;
  if constexpr (kRows == 1) return Shape::kIntegers ? g / 4 : 0;
  return g % Shape::kSums;
}

/// Calls visit(sum, place) for this lane's sums that mean something. places: the warp's, of this
/// lane's column g.
template <class Shape, int kRows, typename Sum, typename Visit>
__device__ __forceinline__ void visit_sums(
    Sum (&total)[Shape::kTiles][Shape::kSets][4], Sum* places, const Visit& visit
) {
  const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int tile = 0; tile < Shape::kTiles; ++tile) {
#pragma unroll
    for (int set = 0; set < Shape::kSets; ++set) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int b_column = 2 * t + j % 2;
        Sum* place = places + tile * kTileSize + j / 2 * 8;
        if constexpr (kRows == 1) {
          // Columns 0 to 3 carry the upper plane, or the halves, 4 to 7 the lower one.
          if (b_column % 4 == 0 && b_column / 4 < Shape::kSums) {
            visit(total[tile][set][j], place[b_column / 4 * Shape::kSumStride]);
          }
        } else if (set * 8 + b_column < Shape::kSums) {
          visit(total[tile][set][j], place[(set * 8 + b_column) * Shape::kSumStride]);
        }
      }
    }
  }
}

}  // namespace gemv

template <int kBits, exl3::Codebook kCodebook, int kRows>
__global__ void __launch_bounds__(GemvShape<kBits, kCodebook, kRows>::kBoundThreads, 1) gemv_kernel(
    const __grid_constant__ GemvProblem problem, const __grid_constant__ GemvShare share
) {
  using Shape = GemvShape<kBits, kCodebook, kRows>;
  using Sum = std::conditional_t<Shape::kIntegers, int, float>;
  TRELLIS_DYNAMIC_SHARED(shared);
  __shared__ GemvScales input_scales[kRows];
  __shared__ gemv::RowScale row_scales[kRows];
  __shared__ gemv::PlaneSums warp_sums[kRows][Shape::kWarps];
  dependents_launch();

  const int tid = static_cast<int>(threadIdx.x);
  const int warp = warp_index();
  const int lane = tid % kWarp;
  const int g = lane / 4;
  const int chunks = problem.chunks;
  const int rows = kRows == 1 ? 1 : problem.rows;
  const int begin = share.first(static_cast<int>(blockIdx.x));
  const int end = share.first(static_cast<int>(blockIdx.x) + 1);
  const int slots = share.memory.slots;
  const uint32_t ring = shared_address(shared) + warp * slots * Shape::kSlotBytes + lane * 16;
  const uint32_t ring_end = ring + slots * Shape::kSlotBytes;
  Sum* sums = reinterpret_cast<Sum*>(shared + Shape::ring_bytes(slots));
  char* activations = shared + Shape::ring_bytes(slots) + Shape::kSumBytes;
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
  int stream_group = warp < chunks ? begin : end;
  int stream_matrix_end = first + problem.matrices[matrix].groups;
  int stream_chunk = warp;
  uint32_t fill = ring;
  const auto issue = [&] {
    if (stream_group < end) {
#pragma unroll
      for (int p = 0; p < Shape::kPieces; ++p) cp_async_16(fill + p * 512, source + p * 512);
      source += Shape::kWarps * Shape::kSlotBytes;
      stream_chunk += Shape::kWarps;
      if (stream_chunk >= chunks) {
        source += static_cast<ptrdiff_t>(chunks + warp - stream_chunk) * Shape::kSlotBytes;
        stream_chunk = warp;
        if (++stream_group == stream_matrix_end && stream_matrix + 1 < problem.num_matrices) {
          stream_matrix_end += problem.matrices[++stream_matrix].groups;
          source = matrix_source(stream_matrix, 0);
        }
      }
      fill += Shape::kSlotBytes;
      if (fill == ring_end) fill = ring;
    }
    cp_async_commit();  // an empty group keeps the counts right
  };
  const auto wait_for_head = [&] {
    if (slots == Shape::kMostSlots) {
      cp_async_wait<Shape::kMostSlots - 1>();
    } else if (slots == 2) {
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
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
    const int first_group = group;

    float inverse_unit = 0.0f;  // of the operand's units, in a row's
    gemv::PlaneSums plane_sums = {};
    // Brings the activations of `count` chunks, for all warps to read. All of them are asked for
    // before the ring is filled: what the memory is asked for behind it waits for the ring.
    const auto bring = [&](int first_chunk, int count) {
      // A warp brings one row, or a part of one, kFetched pieces at a time.
      constexpr int kFetched = Shape::kFetched;
      const int parts = Shape::kWarps / rows;
      const int row = warp / parts;
      const bool has_row = row < rows;
      const int first_eight = warp % parts * kWarp + lane;
      const int eights_apart = parts * kWarp;
      const int skipped = first_chunk * Shape::kSteps * 8;
      const int eights = has_row ? count * Shape::kSteps * 8 : 0;
      const bool first_window = first_chunk == 0;
      const bool brings_scales = first_window && has_row && warp % parts == 0;
      gemv::RowUnit row_unit;
      if (ring_filled) __syncthreads();  // the last activations and sums have been read
#pragma unroll 1
      for (int i = first_eight;; i += kFetched * eights_apart) {
        uint4 fetched[kFetched];
#pragma unroll
        for (int u = 0; u < kFetched; ++u) {
          const int eight = i + u * eights_apart;
          if (eight < eights) fetched[u] = gemv::fetch_eight(current.input, row, skipped + eight);
        }
        if (i == first_eight && brings_scales) row_unit.fetch(current.input, row);
        const bool is_last = i + kFetched * eights_apart >= eights;
        if (is_last && !ring_filled) {
#pragma unroll 1
          for (int slot = 1; slot < slots; ++slot) issue();
          ring_filled = true;
        }
        if (i == first_eight && first_window) {
          if (brings_scales) row_unit.share(input_scales[row]);
          __syncthreads();
          const float unit = has_row ? input_scales[row].unit : 0.0f;
          inverse_unit = unit > 0.0f ? Shape::kLargest / kLargestInteger / unit : 0.0f;
          plane_sums = gemv::PlaneSums();
        }
#pragma unroll
        for (int u = 0; u < kFetched; ++u) {
          const int eight = i + u * eights_apart;
          if (eight < eights) {
            const float scale = input_scales[row].blocks[(skipped + eight) / 16];
            gemv::store_eight<Shape, kRows>(
                fetched[u], activations, row, eight, scale * inverse_unit, plane_sums
            );
          }
        }
        if (is_last) break;
      }
      const bool last_window = first_chunk + count == chunks;
      if constexpr (Shape::kIntegers) {
        if (last_window && has_row) {
          const int high = __reduce_add_sync(kAllLanes, plane_sums.high);
          const int low = __reduce_add_sync(kAllLanes, plane_sums.low);
          if (lane == 0) warp_sums[row][warp % parts] = {high, low};
        }
      }
      __syncthreads();
      // What follows is read behind the barrier in front of the outputs.
      if (brings_scales) {
        const float scale = row_unit.scale(input_scales[row].unit, current.input.norm);
        if (lane == 0) row_scales[row].scale = scale * (kLargestInteger / Shape::kLargest);
      }
      if constexpr (Shape::kIntegers) {
        if (last_window && warp < rows) {
          const bool is_part = lane < parts;
          const gemv::PlaneSums part = is_part ? warp_sums[warp][lane] : gemv::PlaneSums();
          const int high = __reduce_add_sync(kAllLanes, part.high);
          const int low = __reduce_add_sync(kAllLanes, part.low);
          if (lane == 0) row_scales[warp].sums = {high, low};
        }
      }
    };

    for (; group < matrix_end; ++group) {
      Sum* mine = sums + (pending * Shape::kWarps + warp) * Shape::kWarpSums + g;
#pragma unroll 1
      for (int window = 0; window < chunks; window += share.memory.window) {
        const int count = min(share.memory.window, chunks - window);
        if (group == first_group || count < chunks) bring(window, count);
        // Between two windows the sums wait where they end up: in registers they would be in the
        // way of what brings the activations.
        Sum total[Shape::kTiles][Shape::kSets][4] = {};
        if (window > 0) {
          gemv::visit_sums<Shape, kRows>(total, mine, [](Sum& sum, Sum& place) { sum = place; });
        }
        uint32_t step = activations_address + warp * Shape::kSteps * Shape::kStepBytes;
#pragma unroll 1
        for (int chunk = warp; chunk < count; chunk += Shape::kWarps) {
          uint4 pieces[Shape::kPieces];
          wait_for_head();
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
              for (int k = 0; k < kBits; ++k)
                run[k] = words[(tile * Shape::kSteps + s) * kBits + k];
              const uint32_t before =
                  __shfl_sync(kAllLanes, run[kBits - 1], (lane + kWarp - 4) % kWarp);
              gemv::multiply_step<Shape, kBits, kCodebook>(total[tile], run, before, b);
            }
          }
          step += Shape::kWarps * Shape::kSteps * Shape::kStepBytes;
          issue();
        }
        gemv::visit_sums<Shape, kRows>(total, mine, [](Sum& sum, Sum& place) { place = sum; });
      }
      if (++pending < Shape::kBatch && group + 1 < matrix_end) continue;

      __syncthreads();
      const int outputs = pending * Shape::kGroupColumns;
      for (int i = tid; i < outputs * rows; i += Shape::kThreads) {
        const int row = i / outputs;
        const int column = i % Shape::kGroupColumns;
        const int batch = i % outputs / Shape::kGroupColumns;
        const Sum* part = sums + batch * Shape::kWarps * Shape::kWarpSums + column;
        Sum high = 0;
        Sum low = 0;
#pragma unroll
        for (int w = 0; w < Shape::kWarps; ++w) {
          high += part[w * Shape::kWarpSums + row * Shape::kSumStride];
          if constexpr (Shape::kIntegers) {
            low += part[w * Shape::kWarpSums + (kRows + row) * Shape::kSumStride];
          }
        }
        const gemv::RowScale& scale = row_scales[row];
        auto y = static_cast<float>(high);
        if constexpr (Shape::kIntegers) {
          // The weight of a byte sum b is 0.00676727... * (b - 510) - 0.0018...; b - 510 is exact.
          const auto of_planes = [](int high, int low) {
            return 256.0f * static_cast<float>(high) + static_cast<float>(low);
          };
          const gemv::PlaneSums& sums = scale.sums;
          y = 0.00676727294921875f * of_planes(high - 510 * sums.high, low - 510 * sums.low) -
              0.0018157958984375f * of_planes(sums.high, sums.low);
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
