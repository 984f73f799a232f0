// The scores of a chunk of keys with the query heads of a CTA, by one warp: in fp32, or on the
// tensor cores with queries of two fp16 planes, which loses next to nothing. Either way a lane ends
// with a few scores of one head, in units of log2.
#pragma once

#include "backend/cuda/device/half_tile.cuh"
#include "backend/cuda/device/kv_chunk.cuh"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/attention.h"

#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace trellis::cuda {

/// Lanes that hold a group of a quantized row.
inline constexpr int kGroupLanes = exl3::kKvGroup / kLaneChannels;

/// A lane's channels of a head's query, in units of a number of the keys and of log2, and rotated
/// where those are; zeros behind the last channel, or if the head is not there. Neighbouring lanes
/// hold neighbouring channels.
__device__ __forceinline__ void load_query(
    const AttentionProblem& problem, const float* query, bool is_there, int channel,
    float (&q)[kLaneChannels]
) {
  constexpr float kLog2E = 1.44269504088896340736f;
  if (problem.head_dim % kLaneChannels == 0) {
    const bool is_channel = is_there && channel < problem.head_dim;
#pragma unroll
    for (int i = 0; i < kLaneChannels; i += 4) {
      float4 numbers = {0.0f, 0.0f, 0.0f, 0.0f};
      if (is_channel) numbers = *reinterpret_cast<const float4*>(query + channel + i);
      q[i] = numbers.x;
      q[i + 1] = numbers.y;
      q[i + 2] = numbers.z;
      q[i + 3] = numbers.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      q[i] = is_there && channel + i < problem.head_dim ? query[channel + i] : 0.0f;
    }
  }
  if (problem.keys.is_quantized()) {
    exl3::hadamard<kLaneChannels>(q);
#pragma unroll
    for (int distance = 1; distance < kGroupLanes; distance *= 2) {
      const bool upper = (threadIdx.x & static_cast<unsigned>(distance)) != 0;
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        const float other = __shfl_xor_sync(kAllLanes, q[i], distance);
        q[i] = upper ? other - q[i] : q[i] + other;
      }
    }
  }
  const float factor = problem.scale * kLog2E * unit_of(problem.keys);
#pragma unroll
  for (int i = 0; i < kLaneChannels; ++i) q[i] *= factor;
}

/// Any head up to kLanes * kLaneChannels numbers, any type. kLanes lanes are a group that takes a
/// key, each its channels of it; partial products are added up over the group while they are
/// handed out.
template <int kHeadCount, int kLaneCount>
class FloatScores {
 public:
  static constexpr int kHeads = kHeadCount;
  static constexpr int kLanes = kLaneCount;
  /// Positions of a chunk: fewer where rows are long.
  static constexpr int kChunk = kLanes == kWarp ? 8 : 16;
  /// Scores of a chunk that a lane ends with.
  static constexpr int kCount = kChunk * kHeads / kWarp;

  /// queries: of the CTA's first head, of num_heads.
  __device__ __forceinline__ void load(
      const AttentionProblem& problem, const float* queries, int num_heads
  ) {
    const int channel = thread_index() % kLanes * kLaneChannels;
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      load_query(problem, queries + h * problem.head_dim, h < num_heads, channel, queries_[h]);
    }
  }

  /// The scores of a chunk of keys with head().
  __device__ __forceinline__ void score(KvChunk chunk, int bits, float (&scores)[kCount]) const {
    // Lanes behind the last channel multiply the first ones by zeros.
    const int channel = thread_index() % kLanes * kLaneChannels;
    chunk.channel = channel < chunk.head_dim ? channel : 0;
    visit_rows(chunk, bits, [&](const auto& keys) {
      const int first = thread_index() % kWarp / kLanes;
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        float sums[kHeads];
        multiply<kPassBits>(keys, i * kBatch + first, sums);
#pragma unroll
        for (int n = kHeads / 2; n > 0; n /= 2) {
#pragma unroll
          for (int h = 0; h < n; ++h) sums[h] = fold(sums[h], sums[h + n], n);
        }
        scores[i] = sums[0];
      }
    });
  }

  /// The key of a chunk and the head that this lane's score i belongs to.
  __device__ __forceinline__ static int key(int i) {
    const int lane = thread_index() % kWarp;
    return i * kBatch + lane % kLanes / kHeads * kGroups + lane / kLanes;
  }
  __device__ __forceinline__ static int head() { return thread_index() % kHeads; }
  /// A lane with scores of head h.
  __device__ __forceinline__ static constexpr int lane_of(int h) { return h; }

  /// The largest, or the sum, of all lanes with scores of the same head.
  __device__ __forceinline__ static float largest(float value) {
#pragma unroll
    for (int distance = kHeads; distance < kWarp; distance *= 2) {
      value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
    }
    return value;
  }
  __device__ __forceinline__ static float sum(float value) {
#pragma unroll
    for (int distance = kHeads; distance < kWarp; distance *= 2) {
      value += __shfl_xor_sync(kAllLanes, value, distance);
    }
    return value;
  }

 private:
  static constexpr int log2_of(int power) { return power == 1 ? 0 : 1 + log2_of(power / 2); }

  static constexpr int kGroups = kWarp / kLanes;
  /// Keys of which a warp has one score in each lane; a group takes 2^kPassBits of them.
  static constexpr int kBatch = kWarp / kHeads;
  static constexpr int kPassBits = log2_of(kLanes / kHeads);
  static_assert(kChunk % kBatch == 0, "whole batches");

  /// The sum over two lanes `distance` apart of a, in the lower one, and of b, in the upper one.
  __device__ __forceinline__ static float fold(float a, float b, int distance) {
    const bool upper = (threadIdx.x & static_cast<unsigned>(distance)) != 0;
    return (upper ? b : a) + __shfl_xor_sync(kAllLanes, upper ? a : b, distance);
  }

  /// sums[h] = q_h . k of one of 2^kDepth keys, kGroups apart, the first of which is in `row`, over
  /// the channels of 2^kDepth lanes. Which key it is, the lane's bits above those of heads say.
  template <int kDepth, typename Rows>
  __device__ __forceinline__ void multiply(const Rows& keys, int row, float (&sums)[kHeads]) const {
    if constexpr (kDepth > 0) {
      float others[kHeads];
      multiply<kDepth - 1>(keys, row, sums);
      multiply<kDepth - 1>(keys, row + (kGroups << (kDepth - 1)), others);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) sums[h] = fold(sums[h], others[h], kHeads << (kDepth - 1));
    } else {
      float v[kLaneChannels];
      keys.load(row, v);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = queries_[h][0] * v[0];
#pragma unroll
        for (int i = 1; i < kLaneChannels; ++i) sums[h] += queries_[h][i] * v[i];
      }
      if constexpr (Rows::kHasScales) {
        const float scale = keys.scale(row);
#pragma unroll
        for (int h = 0; h < kHeads; ++h) sums[h] *= scale;
      }
    }
  }

  float queries_[kHeads][kLaneChannels];
};

/// Up to eight heads of whole groups of 32 numbers, up to kLanes * kLaneChannels; keys of at most
/// 16 bits. Rows 0 to 7 of mma's A are heads, and rows 8 to 15 what rounding them to fp16 has left:
/// of the products, which are exact, both sums belong to the same lane. Keys are B, as the lanes
/// read them: numbers of a group may change places as long as both factors do. Sums of a group are
/// fp32 in the tensor core, all others outside.
template <int kLaneCount, int kHeadCount>
class TensorScores {
 public:
  static constexpr int kHeads = kHeadCount;
  static constexpr int kLanes = kLaneCount;
  static constexpr int kChunk = 16;
  static constexpr int kKeys = 8;  // of one mma
  static constexpr int kCount = kChunk / kKeys * 2;

  __device__ __forceinline__ void load(
      const AttentionProblem& problem, const float* queries, int num_heads
  ) {
    const int lane = thread_index() % kWarp;
    const int own_head = lane / kGroupLanes;
    const int channel = lane % kGroupLanes * kLaneChannels;
    const bool is_there = own_head < num_heads;
    const float* query = queries + (is_there ? own_head * problem.head_dim : 0);
    float q[kGroups][kLaneChannels];
    float most = 0.0f;
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      load_query(problem, query, is_there, group * exl3::kKvGroup + channel, q[group]);
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) most = fmaxf(most, fabsf(q[group][i]));
    }
    most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
    most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
    // A power of two that brings the largest number near 2^14: what is below fp16's normal numbers
    // is then 2^-39 of it.
    const int exponent = min(max(static_cast<int>(__float_as_uint(most) >> 23), 15), 253);
    const float factor = __uint_as_float(static_cast<uint32_t>(268 - exponent) << 23);
    unit_ = __uint_as_float(static_cast<uint32_t>(exponent - 14) << 23);
    const bool even_first = are_evens_first(problem.keys.bits);
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; i += 2) {
        const int swapped = i % 4 * 2 + i / 4;
        const float a = (even_first ? q[group][swapped] : q[group][i]) * factor;
        const float b = (even_first ? q[group][swapped + 2] : q[group][i + 1]) * factor;
        const float high_a = __half2float(__float2half_rn(a));
        const float high_b = __half2float(__float2half_rn(b));
        planes_[group][i] = pack_halves(high_a, high_b);
        planes_[group][i + 1] = pack_halves(a - high_a, b - high_b);
      }
    }
  }

  __device__ __forceinline__ void score(KvChunk chunk, int bits, float (&scores)[kCount]) const {
    const int lane = thread_index() % kWarp;
    chunk.channel = lane % kGroupLanes * kLaneChannels;
    visit_half_rows(chunk, bits, [&](const auto& keys) {
#pragma unroll
      for (int tile = 0; tile < kChunk / kKeys; ++tile) {
        float tile_scores[2] = {};
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
          if (group * exl3::kKvGroup >= chunk.head_dim) break;
          uint32_t b[kLaneChannels / 2];
          keys.load_halves(tile * kKeys + lane / kGroupLanes, group, b);
          const uint32_t(&a)[kLaneChannels] = planes_[group];
          float sums[4] = {};
          mma_m16n8k16_f16(sums, a[0], a[1], a[2], a[3], b[0], b[1]);
          mma_m16n8k16_f16(sums, a[4], a[5], a[6], a[7], b[2], b[3]);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const float sum = sums[i] + sums[i + 2];
            if constexpr (std::remove_reference_t<decltype(keys)>::kHasScales) {
              tile_scores[i] += sum * keys.scale(key(2 * tile + i), group);
            } else {
              tile_scores[i] += sum;
            }
          }
        }
        scores[2 * tile] = tile_scores[0] * unit_;
        scores[2 * tile + 1] = tile_scores[1] * unit_;
      }
    });
  }

  __device__ __forceinline__ static int key(int i) {
    return i / 2 * kKeys + thread_index() % kGroupLanes * 2 + i % 2;
  }
  /// Heads behind kHeads are none.
  __device__ __forceinline__ static int head() { return thread_index() % kWarp / kGroupLanes; }
  __device__ __forceinline__ static constexpr int lane_of(int h) { return h * kGroupLanes; }

  __device__ __forceinline__ static float largest(float value) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
    return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
  }
  __device__ __forceinline__ static float sum(float value) {
    value += __shfl_xor_sync(kAllLanes, value, 1);
    return value + __shfl_xor_sync(kAllLanes, value, 2);
  }

 private:
  static constexpr int kGroups = kLanes / kGroupLanes;

  uint32_t planes_[kGroups][kLaneChannels];  // of two numbers each: high, low, high, low, ...
  float unit_;                               // of the planes
};

}  // namespace trellis::cuda
