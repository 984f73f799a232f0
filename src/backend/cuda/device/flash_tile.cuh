// What the kernels for attention of many rows share: which rows a CTA has, their queries, the
// softmax of a tile of scores, and how outputs leave. A CTA owns pairs of a row of one sequence and
// a query head of one kv head's group: pair p is row p / group and head p % group. A warp owns 16
// of them and holds scores and outputs as accumulators of mma.m16n8k16, for every eight keys or
// channels: lane 4 g + t has pairs g and g + 8 (its two halves), columns 2 t and 2 t + 1.
#pragma once

#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/attention.h"

#include <cmath>

namespace trellis::cuda::flash {

inline constexpr int kWarpPairs = 16;
/// Exponentials are at most 2^15, the largest power of two of fp16.
inline constexpr float kWeightExponent = 15.0f;
inline constexpr float kLog2E = 1.44269504f;

/// Rows of one sequence. None or fewer where the sequence has no such tile.
struct RowTile {
  int sequence;
  int begin;
  int rows;
};

/// Sequence s owns tiles from row_begin[s] / tile_rows + s on: enough for it, however the rows of
/// those before it are cut. All lanes of a warp look, at a sequence each.
__device__ __forceinline__ RowTile
find_rows(const int32_t* row_begin, int num_sequences, int tile, int tile_rows) {
  int sequence = -1;
  for (int base = 0; base < num_sequences; base += kWarp) {
    const int candidate = base + static_cast<int>(threadIdx.x) % kWarp;
    const bool begins =
        candidate < num_sequences && row_begin[candidate] / tile_rows + candidate <= tile;
    const int found = __popc(__ballot_sync(kAllLanes, begins));
    sequence += found;
    if (found < kWarp) break;
  }
  const int first = row_begin[sequence];
  const int begin = first + (tile - (first / tile_rows + sequence)) * tile_rows;
  return {sequence, begin, min(tile_rows, row_begin[sequence + 1] - begin)};
}

/// Tiles of rows of the whole call that find_rows() may be asked for.
inline int64_t num_row_tiles(const AttentionProblem& problem, int tile_rows) {
  return problem.rows / tile_rows + problem.num_sequences;
}

/// The first pair of the calling warp. Read anew, so that a loop need not keep it.
__device__ __forceinline__ int first_pair() {
  return thread_index() / kWarp * kWarpPairs;
}

/// Calls place(pair, channel, numbers) for every four channels of the calling warp's pairs: queries
/// times scale * log2(e), zeros behind the last row.
template <int kHeadDim, typename Place>
__device__ __forceinline__ void load_queries(
    const AttentionProblem& problem, const RowTile& rows, int kv_head, int group, Place place
) {
  constexpr int kQuarters = kHeadDim / 4;  // of four numbers, in a pair
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int first = first_pair();
  const int first_head = kv_head * group;
  const float factor = problem.scale * kLog2E;
#pragma unroll 4
  for (int i = lane; i < kWarpPairs * kQuarters; i += kWarp) {
    const int pair = first + i / kQuarters;
    const int channel = i % kQuarters * 4;
    float v[4] = {};
    if (pair / group < rows.rows) {
      const int64_t row = rows.begin + pair / group;
      const int64_t head = row * problem.heads + first_head + pair % group;
      const float4 q =
          *reinterpret_cast<const float4*>(problem.queries + head * kHeadDim + channel);
      v[0] = q.x * factor;
      v[1] = q.y * factor;
      v[2] = q.z * factor;
      v[3] = q.w * factor;
    }
    place(pair, channel, v);
  }
}

/// The positions of the first and the last of a CTA's rows.
struct RowPositions {
  int first;
  int last;
  int window;

  /// The first key that a row at `position` sees.
  __device__ __forceinline__ int first_seen(int position) const {
    return window > 0 ? max(0, position - window + 1) : 0;
  }
  /// Where the first tile begins that a row sees; the last one holds position `last`.
  __device__ __forceinline__ int first_tile(int tile_keys) const {
    return first_seen(first) / tile_keys * tile_keys;
  }
  /// Whether all rows see the whole tile.
  __device__ __forceinline__ bool all_see(int first_key, int tile_keys) const {
    return first_key + tile_keys - 1 <= first && first_key >= first_seen(last);
  }
};

__device__ __forceinline__ RowPositions
find_positions(const AttentionProblem& problem, const RowTile& rows) {
  const int first = problem.positions[rows.begin];
  return {first, first + rows.rows - 1, problem.window};
}

/// Where the lane's two rows end for it: their positions, less the place of its first key in a
/// fragment.
struct LaneEnds {
  int of_half[2];
};

__device__ __forceinline__ LaneEnds find_ends(const RowPositions& positions, int group) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int pair = first_pair() + lane / 4;
  const int first = positions.first - lane % 4 * 2;
  return {{first + pair / group, first + (pair + 8) / group}};
}

/// Makes scores of keys that a row does not see minus infinity. first_key: of the tile.
template <int kTiles>
__device__ __forceinline__ void mask(
    float (&scores)[kTiles][4], const LaneEnds& ends, int window, int first_key
) {
  // A key behind the row is, unsigned, far in front of it.
  const unsigned seen = window > 0 ? static_cast<unsigned>(window) : 1u << 31;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int distance = ends.of_half[i / 2] - first_key - (n * 8 + i % 2);
      if (static_cast<unsigned>(distance) >= seen) scores[n][i] = -INFINITY;
    }
  }
}

/// Of a row's keys so far. A lane's share of the sum: four lanes hold a row.
struct SoftmaxState {
  float base = -INFINITY;  // the largest score, less kWeightExponent
  float sum = 0.0f;        // of 2^(score - base)
};

/// Turns the scores of a pair (half 0 or 1 of a lane's two) into weights. Returns what the outputs
/// so far are to be multiplied by.
template <int kTiles>
__device__ __forceinline__ float exponentiate(
    float (&scores)[kTiles][4], int half, SoftmaxState& state
) {
  float largest = -INFINITY;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
    largest = fmaxf(largest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
  }
  largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
  largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
  const float before = state.base;
  state.base = fmaxf(before, largest - kWeightExponent);
  // Where all keys so far are masked there is nothing to subtract from: weights of zero.
  const float base = state.base == -INFINITY ? 0.0f : state.base;
  float sum = 0.0f;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 2 * half; i < 2 * half + 2; ++i) {
      scores[n][i] = exp2_approximate(scores[n][i] - base);
      sum += scores[n][i];
    }
  }
  const float factor = exp2_approximate(before - base);
  state.sum = state.sum * factor + sum;
  return factor;
}

/// Multiplies the outputs so far by what exponentiate() returned.
template <int kTiles>
__device__ __forceinline__ void scale_outputs(
    float (&outputs)[kTiles][4], const float (&factors)[2]
) {
#pragma unroll
  for (auto& fragment : outputs) {
#pragma unroll
    for (int i = 0; i < 4; ++i) fragment[i] *= factors[i / 2];
  }
}

/// Divides the outputs by the sums of their weights.
template <int kTiles>
__device__ __forceinline__ void normalise(
    float (&outputs)[kTiles][4], const SoftmaxState (&states)[2]
) {
  float inverses[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = states[half].sum;
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    inverses[half] = 1.0f / sum;
  }
#pragma unroll
  for (auto& fragment : outputs) {
    // Adding zero makes one zero of two: which it is may depend on masked tiles.
#pragma unroll
    for (int i = 0; i < 4; ++i) fragment[i] = fragment[i] * inverses[i / 2] + 0.0f;
  }
}

/// Writes the outputs of the calling warp's pairs, but for those behind the last row.
template <int kTiles>
__device__ __forceinline__ void store_outputs(
    const AttentionProblem& problem, const RowTile& rows, int kv_head, int group,
    const float (&outputs)[kTiles][4]
) {
  const int lane = thread_index() % kWarp;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int pair = first_pair() + lane / 4 + 8 * half;
    const int own_row = pair / group;
    if (own_row >= rows.rows) continue;
    const int64_t head = static_cast<int64_t>(rows.begin + own_row) * problem.heads +
                         kv_head * group + pair - own_row * group;
    float* output = problem.output + head * (kTiles * 8) + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const float2 numbers = {outputs[n][2 * half], outputs[n][2 * half + 1]};
      *reinterpret_cast<float2*>(output + n * 8) = numbers;
    }
  }
}

}  // namespace trellis::cuda::flash
