// softmax(scale * q K^T) V for few rows, or exactly (flash_attention.cu is the form for many rows).
// A CTA owns one row, two or four query heads that share a kv head, and one span of positions; what
// it leaves is merged by attention_merge.cu, also where there is only one span.
//
// A warp owns every fourth chunk of the span's positions and works by itself until the end. Its
// keys and values come by cp.async into a ring of chunks, as the cache holds them. Lanes take eight
// channels each, and as many as a head needs are a group that takes a key. Scores: partial products
// are added up over the group while they are handed out, so that each lane ends with one score of
// 32. Softmax: running, over the warp's chunks. Outputs: a lane owns its eight channels of every
// head, of the positions that its group takes.
//
// Traffic: keys and values once per row and four query heads; in flight, per warp, two chunks (8 KB
// of fp16 with heads of 128). All arithmetic is fp32: 4 heads x 2 FMA a number are a third of what
// an H100 can issue in the time that fp16 numbers take from memory, and more than half of it for 4
// bits.
#include "backend/args.h"
#include "backend/cuda/device/kv_chunk.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/attention_merge.h"

#include <algorithm>
#include <cmath>

namespace trellis::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
/// CTAs of a multiprocessor at a time. It leaves 128 registers to a thread.
constexpr int kResidentCtas = 4;
/// Chunks of keys or values that a warp has room for: one is read, two are on their way.
constexpr int kSlots = 3;
/// CTAs that a row is cut into, at most: what 128 multiprocessors hold at a time.
constexpr int kMostRowCtas = 128 * kResidentCtas;
/// Rows of a launch: bounds the scratch memory.
constexpr int64_t kLaunchRows = 32;
constexpr float kLog2E = 1.44269504088896340736f;

/// kHeads: query heads of a CTA. kLanes: of a group, which takes a key.
template <int kHeads, int kLanes>
struct WarpShape {
  static constexpr int kGroups = kWarp / kLanes;
  /// Positions of a chunk: fewer where rows are long.
  static constexpr int kChunk = kLanes == kWarp ? 8 : 16;
  /// Keys of which a warp has one score in each lane, and how many of them a group takes.
  static constexpr int kBatch = kWarp / kHeads;
  static constexpr int kBatchPasses = kBatch / kGroups;
  static constexpr int kBatches = kChunk / kBatch;
  static_assert(kChunk % kBatch == 0 && kBatch % kGroups == 0, "whole batches, whole passes");
  static_assert(kLeastSpan % (kChunk * kWarps) == 0, "a span is as many chunks for every warp");
  static_assert(kPageTokens % kChunk == 0, "a chunk lies in one page");
};

/// The sequence that a row belongs to.
__device__ __forceinline__ int sequence_of(const int32_t* row_begin, int num_sequences, int row) {
  int low = 0;
  int high = num_sequences;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (row_begin[middle] <= row ? low : high) = middle;
  }
  return low;
}

/// A lane's channels of each head's query, in units of a number of the keys and of log2. Zeros
/// behind the last head and channel.
template <int kHeads>
__device__ __forceinline__ void load_queries(
    const AttentionProblem& problem, const float* queries, int num_heads, int channel,
    float (&q)[kHeads][kLaneChannels]
) {
  const int head_dim = problem.head_dim;
  const float factor = problem.scale * kLog2E * unit_of(problem.keys);
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      const bool is_there = h < num_heads && channel + i < head_dim;
      q[h][i] = is_there ? queries[h * head_dim + channel + i] : 0.0f;
    }
  }
  if (problem.keys.is_quantized()) {
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      exl3::hadamard<kLaneChannels>(q[h]);
#pragma unroll
      for (int distance = 1; distance < exl3::kKvGroup / kLaneChannels; distance *= 2) {
        const bool upper = (threadIdx.x & distance) != 0;
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) {
          const float other = __shfl_xor_sync(kAllLanes, q[h][i], distance);
          q[h][i] = upper ? other - q[h][i] : q[h][i] + other;
        }
      }
    }
  }
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) q[h][i] *= factor;
  }
}

/// The sum over two lanes `distance` apart of a, in the lower one, and of b, in the upper one.
__device__ __forceinline__ float fold(float a, float b, int distance) {
  const bool upper = (threadIdx.x & static_cast<unsigned>(distance)) != 0;
  return (upper ? b : a) + __shfl_xor_sync(kAllLanes, upper ? a : b, distance);
}

/// scores[h] = q_h . k of one of 2^kDepth keys, kGroups apart, the first of which is in `row`, over
/// the channels of 2^kDepth lanes: which key it is, the lane's bits above those of the heads say.
template <int kDepth, int kGroups, int kHeads, typename Rows>
__device__ __forceinline__ void multiply_keys(
    const Rows& keys, const float (&q)[kHeads][kLaneChannels], int row, float (&scores)[kHeads]
) {
  if constexpr (kDepth > 0) {
    float others[kHeads];
    multiply_keys<kDepth - 1, kGroups>(keys, q, row, scores);
    multiply_keys<kDepth - 1, kGroups>(keys, q, row + (kGroups << (kDepth - 1)), others);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      scores[h] = fold(scores[h], others[h], kHeads << (kDepth - 1));
    }
  } else {
    float v[kLaneChannels];
    keys.load(row, v);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      scores[h] = q[h][0] * v[0];
#pragma unroll
      for (int i = 1; i < kLaneChannels; ++i) scores[h] += q[h][i] * v[i];
    }
    if constexpr (Rows::kHasScales) {
      const float scale = keys.scale(row);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) scores[h] *= scale;
    }
  }
}

constexpr int log2_of(int power) {
  return power == 1 ? 0 : 1 + log2_of(power / 2);
}

/// The score of one key of a batch with head lane % kHeads; key_of_lane() says which key. row: of
/// the first key that this lane's group takes.
template <typename Shape, int kHeads, typename Rows>
__device__ __forceinline__ float score_batch(
    const Rows& keys, const float (&q)[kHeads][kLaneChannels], int row
) {
  float scores[kHeads];
  multiply_keys<log2_of(Shape::kBatchPasses), Shape::kGroups>(keys, q, row, scores);
#pragma unroll
  for (int n = kHeads / 2; n > 0; n /= 2) {
#pragma unroll
    for (int h = 0; h < n; ++h) scores[h] = fold(scores[h], scores[h + n], n);
  }
  return scores[0];
}
template <typename Shape, int kHeads, int kLanes>
__device__ __forceinline__ int key_of_lane(int lane) {
  return lane % kLanes / kHeads * Shape::kGroups + lane / kLanes;
}

/// outputs[h] += sum of weights * values over the positions of a chunk that this lane's group
/// takes. weights: [kChunk][kHeads]; those of rows outside [begin, end) are zero, and such rows,
/// which may hold anything, are not read.
template <typename Shape, int kHeads, typename Rows>
__device__ __forceinline__ void add_values(
    const Rows& values, const float* weights, int group, int begin, int end,
    float (&outputs)[kHeads][kLaneChannels]
) {
  struct alignas(sizeof(float) * kHeads) Weights {
    float of[kHeads];
  };
#pragma unroll 4
  for (int place = 0; place < Shape::kChunk; place += Shape::kGroups) {
    const int row = min(max(place + group, begin), end - 1);
    Weights w = reinterpret_cast<const Weights*>(weights)[place + group];
    float v[kLaneChannels];
    values.load(row, v);
    if constexpr (Rows::kHasScales) {
      const float scale = values.scale(row);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) w.of[h] *= scale;
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) outputs[h][i] += w.of[h] * v[i];
    }
  }
}

/// The largest, or the sum, of the lanes that have scores of the same head.
template <int kHeads>
__device__ __forceinline__ float head_max(float value) {
#pragma unroll
  for (int distance = kHeads; distance < kWarp; distance *= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}
template <int kHeads>
__device__ __forceinline__ float head_sum(float value) {
#pragma unroll
  for (int distance = kHeads; distance < kWarp; distance *= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

/// What is the same for all CTAs of a launch.
struct LaunchPlan {
  int first_row;    // the problem's, that blockIdx.x counts from
  int group;        // query heads of a kv head
  int group_parts;  // CTAs that they are shared out to
  int slot_bytes;   // of a chunk of keys or of values
  int warp_bytes;   // of a warp's ring
};

/// kLanes * kLaneChannels is at least head_dim. blockIdx: row, kv head and part of its group, span.
template <int kHeads, int kLanes>
__global__ void __launch_bounds__(kThreads, kResidentCtas) attention_kernel(
    const __grid_constant__ AttentionProblem problem, const __grid_constant__ SpanParts parts,
    const __grid_constant__ LaunchPlan plan
) {
  using Shape = WarpShape<kHeads, kLanes>;
  TRELLIS_DYNAMIC_SHARED(dynamic);  // a ring of chunks for every warp; then its outputs
  __shared__ alignas(16) float shared_weights[kWarps][Shape::kChunk * kHeads];
  __shared__ float shared_largest[kWarps][kHeads];
  __shared__ float shared_sum[kWarps][kHeads];
  dependents_launch();
  const int row = plan.first_row + static_cast<int>(blockIdx.x);
  const RowSpans spans = spans_of(problem.positions[row], problem.window, parts.most_spans);
  const int span = static_cast<int>(blockIdx.z);
  if (span * spans.span > spans.last - spans.begin) return;
  const int block = static_cast<int>(blockIdx.y);
  const int kv_head = plan.group_parts == 1 ? block : block / plan.group_parts;
  const int first_in_group = (block - kv_head * plan.group_parts) * kHeads;
  const int num_heads = min(kHeads, plan.group - first_in_group);
  const int first_head =
      static_cast<int>(blockIdx.x) * problem.heads + kv_head * plan.group + first_in_group;
  const int head_dim = problem.head_dim;

  // The warp's chunks, each of which has a position that the row sees.
  const int begin = max(spans.begin + span * spans.span, spans.first);
  const int end = min(spans.begin + (span + 1) * spans.span, spans.last + 1);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first_chunk = begin / Shape::kChunk;
  int chunk = first_chunk + (warp - first_chunk % kWarps + kWarps) % kWarps;

  const int sequence = sequence_of(problem.row_begin, problem.num_sequences, row);
  const int32_t* pages = problem.page_table + static_cast<int64_t>(sequence) * problem.max_pages;
  char* ring = dynamic + warp * plan.warp_bytes;
  const auto copy = [&](const KvRows& side, int wanted, int slot) {
    const int position = wanted * Shape::kChunk;
    if (position < end) {
      const int64_t page = pages[position / kPageTokens];
      copy_chunk<Shape::kChunk>(
          shared_address(ring + slot * plan.slot_bytes), side, head_dim,
          (page * problem.kv_heads + kv_head) * kPageTokens + position % kPageTokens,
          min(Shape::kChunk, end - position)
      );
    }
    cp_async_commit();
  };
  // Keys and values that earlier steps have stored can be read before the kernels in front end.
  const int stored = problem.positions[problem.row_begin[sequence]];
  if ((chunk + 1) * Shape::kChunk > stored) dependencies_wait();
  copy(problem.keys, chunk, 0);
  copy(problem.values, chunk, 1);
  dependencies_wait();

  // Lanes behind the last channel multiply the first ones by zeros.
  const auto own_channel = [] { return thread_index() % kLanes * kLaneChannels; };
  float q[kHeads][kLaneChannels];
  load_queries<kHeads>(
      problem, problem.queries + (int64_t{plan.first_row} * problem.heads + first_head) * head_dim,
      num_heads, own_channel(), q
  );

  const auto chunk_at = [&](const KvRows& side, int slot) {
    const char* numbers = ring + slot * plan.slot_bytes;
    const char* scales = numbers + Shape::kChunk * row_bytes(side, head_dim);
    const int channel = own_channel() < head_dim ? own_channel() : 0;
    return KvChunk{numbers, reinterpret_cast<const uint16_t*>(scales), head_dim, channel};
  };
  float* weights = shared_weights[warp];
  SoftmaxState state;  // of head lane % kHeads; the sum is the lane's share
  float outputs[kHeads][kLaneChannels] = {};
  int slot = 0;
  const auto next_slot = [](int slot) { return slot + 1 < kSlots ? slot + 1 : 0; };
  for (; chunk * Shape::kChunk < end; chunk += kWarps) {
    const int chunk_begin = max(begin - chunk * Shape::kChunk, 0);
    const int chunk_end = min(end - chunk * Shape::kChunk, Shape::kChunk);
    cp_async_wait<1>();
    __syncwarp();  // the keys have come; the values before them have been read
    const int values_slot = next_slot(slot);
    const int next_keys_slot = next_slot(values_slot);
    copy(problem.keys, chunk + kWarps, next_keys_slot);
    float scores[Shape::kBatches];
    visit_rows(chunk_at(problem.keys, slot), problem.keys.bits, [&](const auto& keys) {
      const int lane_group = thread_index() % kWarp / kLanes;
#pragma unroll
      for (int b = 0; b < Shape::kBatches; ++b) {
        scores[b] = score_batch<Shape>(keys, q, b * Shape::kBatch + lane_group);
      }
    });

    const int own_key = key_of_lane<Shape, kHeads, kLanes>(thread_index() % kWarp);
    const float before = state.largest;
#pragma unroll
    for (int b = 0; b < Shape::kBatches; ++b) {
      const int key = b * Shape::kBatch + own_key;
      if (key < chunk_begin || key >= chunk_end) scores[b] = -INFINITY;
      state.largest = fmaxf(state.largest, scores[b]);
    }
    state.largest = head_max<kHeads>(state.largest);
    if (__any_sync(kAllLanes, state.largest != before)) {
      const float factor = exp2_approximate(before - state.largest);
      state.sum *= factor;
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float head_factor = __shfl_sync(kAllLanes, factor, h);
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) outputs[h][i] *= head_factor;
      }
    }
#pragma unroll
    for (int b = 0; b < Shape::kBatches; ++b) {
      const float weight = exp2_approximate(scores[b] - state.largest);
      state.sum += weight;
      weights[(b * Shape::kBatch + own_key) * kHeads + thread_index() % kHeads] = weight;
    }

    cp_async_wait<1>();
    __syncwarp();  // the values have come, and the weights; the keys have been read
    copy(problem.values, chunk + kWarps, slot);
    visit_rows(chunk_at(problem.values, values_slot), problem.values.bits, [&](const auto& values) {
      const int lane_group = thread_index() % kWarp / kLanes;
      add_values<Shape>(values, weights, lane_group, chunk_begin, chunk_end, outputs);
    });
    slot = next_keys_slot;
  }

  // A group's lanes hold what its positions add: all groups' positions, then all warps'.
  const float sum = head_sum<kHeads>(state.sum);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (lane < kHeads) {
    shared_largest[warp][lane] = state.largest;
    shared_sum[warp][lane] = sum;
  }
  const float unit = unit_of(problem.values);
  __syncwarp();  // the ring has been read
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
#pragma unroll
      for (int distance = kLanes; distance < kWarp; distance *= 2) {
        outputs[h][i] += __shfl_xor_sync(kAllLanes, outputs[h][i], distance);
      }
      const int channel = lane * kLaneChannels + i;
      if (lane < kLanes && channel < head_dim) {
        reinterpret_cast<float*>(ring)[h * head_dim + channel] = outputs[h][i] * unit;
      }
    }
  }
  __syncthreads();
  for (int h = 0; h < num_heads; ++h) {
    SoftmaxState merged;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      merged.largest = fmaxf(merged.largest, shared_largest[w][h]);
    }
    float factors[kWarps];
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      factors[w] = exp2_approximate(shared_largest[w][h] - merged.largest);
      merged.sum += factors[w] * shared_sum[w][h];
    }
    const int64_t part = static_cast<int64_t>(first_head + h) * parts.spans + span;
    if (threadIdx.x == 0) parts.states[part] = merged;
    for (int i = static_cast<int>(threadIdx.x); i < head_dim; i += kThreads) {
      float output = 0.0f;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) {
        const char* of_warp = dynamic + w * plan.warp_bytes;
        output += factors[w] * reinterpret_cast<const float*>(of_warp)[h * head_dim + i];
      }
      parts.outputs[part * head_dim + i] = output;
    }
  }
}

int group_of(const AttentionProblem& problem) {
  return problem.heads / problem.kv_heads;
}

/// Query heads of a CTA.
int cta_heads(const AttentionProblem& problem) {
  return group_of(problem) <= 2 && problem.head_dim <= 128 ? 2 : 4;
}

/// CTAs that the query heads of a kv head are shared out to.
int group_parts(const AttentionProblem& problem) {
  return (group_of(problem) + cta_heads(problem) - 1) / cta_heads(problem);
}

/// How the spans of a launch lie in scratch memory.
SpanParts parts_of(const AttentionProblem& problem, void* scratch) {
  SpanParts parts;
  const int ctas = problem.kv_heads * group_parts(problem);
  parts.most_spans = std::clamp(kMostRowCtas / ctas, 1, kMostSpans);
  int64_t seen = problem.max_kv_length;
  if (problem.window > 0) seen = std::min<int64_t>(seen, int64_t{problem.window} + kLeastSpan - 1);
  const int64_t most = (seen + kLeastSpan - 1) / kLeastSpan;
  parts.spans = static_cast<int>(std::clamp<int64_t>(most, 1, parts.most_spans));
  parts.states = static_cast<SoftmaxState*>(scratch);
  const int64_t rows = std::min(problem.rows, kLaunchRows);
  parts.outputs = reinterpret_cast<float*>(parts.states + rows * problem.heads * parts.spans);
  return parts;
}

template <int kHeads, int kLanes>
void launch_attention(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts, int64_t first_row,
    int64_t rows
) {
  const auto chunk_bytes = [&](const KvRows& side) {
    return WarpShape<kHeads, kLanes>::kChunk *
           (row_bytes(side, problem.head_dim) + scale_bytes(side, problem.head_dim));
  };
  LaunchPlan plan;
  plan.first_row = static_cast<int>(first_row);
  plan.group = group_of(problem);
  plan.group_parts = group_parts(problem);
  plan.slot_bytes = std::max(chunk_bytes(problem.keys), chunk_bytes(problem.values));
  const int output_bytes = kHeads * problem.head_dim * static_cast<int>(sizeof(float));
  plan.warp_bytes = std::max(kSlots * plan.slot_bytes, (output_bytes + 15) / 16 * 16);
  const LaunchShape shape = {
      dim3(
          static_cast<unsigned>(rows), static_cast<unsigned>(problem.kv_heads * plan.group_parts),
          static_cast<unsigned>(parts.spans)
      ),
      kThreads, static_cast<size_t>(kWarps * plan.warp_bytes), true
  };
  launch(stream, shape, attention_kernel<kHeads, kLanes>, problem, parts, plan);
}

/// What the spans of rows first_row and on leave in `parts`.
void attend_spans(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts, int64_t first_row,
    int64_t rows
) {
  const bool two_heads = cta_heads(problem) == 2;
  if (problem.head_dim > 128) {
    launch_attention<4, 32>(stream, problem, parts, first_row, rows);
  } else if (problem.head_dim > 64) {
    two_heads ? launch_attention<2, 16>(stream, problem, parts, first_row, rows)
              : launch_attention<4, 16>(stream, problem, parts, first_row, rows);
  } else {
    two_heads ? launch_attention<2, 8>(stream, problem, parts, first_row, rows)
              : launch_attention<4, 8>(stream, problem, parts, first_row, rows);
  }
}

void attend(
    cudaStream_t stream, const AttentionProblem& problem, void* scratch,
    const AttentionReader* reader
) {
  const SpanParts parts = parts_of(problem, scratch);
  for (int64_t begin = 0; begin < problem.rows; begin += kLaunchRows) {
    const int64_t rows = std::min(kLaunchRows, problem.rows - begin);
    attend_spans(stream, problem, parts, begin, rows);
    merge_spans(stream, problem, parts, reader, begin, rows);
  }
}

}  // namespace

size_t attention_scratch_bytes(const AttentionProblem& problem) {
  const int64_t rows = std::min(problem.rows, kLaunchRows);
  const int64_t spans = rows * problem.heads * parts_of(problem, nullptr).spans;
  return static_cast<size_t>(spans) *
         (sizeof(SoftmaxState) + static_cast<size_t>(problem.head_dim) * sizeof(float));
}

void attention(cudaStream_t stream, const AttentionProblem& problem, void* scratch) {
  attend(stream, problem, scratch, nullptr);
}

void attention_quantize(
    cudaStream_t stream, const AttentionProblem& problem, void* scratch,
    const AttentionReader& reader
) {
  attend(stream, problem, scratch, &reader);
}

}  // namespace trellis::cuda
