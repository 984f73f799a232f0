// softmax(scale * q K^T) V for few rows, or exactly (flash_attention.cu is the form for many rows).
// A CTA owns one row, two or four query heads that share a kv head, and one span of positions; what
// it leaves is merged by attention_merge.cu, also where there is only one span.
//
// A warp owns every fourth chunk of the span's positions and works by itself until the end. Its
// keys and values come by cp.async into a ring of chunks, as the cache holds them. Scores: by
// attention_scores.cuh, on the tensor cores or exactly. Softmax: running, over the warp's chunks.
// Outputs: lanes take eight channels each, and as many as a head needs are a group that takes a
// position; a lane owns its channels of every head, of its group's positions.
//
// Traffic: keys and values once per row and four query heads; in flight, per warp, two chunks (8 KB
// of fp16 with heads of 128). But for the scores arithmetic is fp32. Over 4 bits, with four heads
// of 128, what bounds it is issuing instructions, not memory: some 1200 for a chunk of 16
// positions, as compiled for sm_90a, and 900 over fp16.
#include "backend/args.h"
#include "backend/cuda/device/attention_scores.cuh"
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

/// outputs[h] += sum of weights * values over the positions of a chunk that this lane's group
/// takes. weights: [kChunk][kHeads]; those of rows outside [begin, end) are zero, and such rows,
/// which may hold anything, are not read.
template <int kChunk, int kGroups, int kHeads, typename Rows>
__device__ __forceinline__ void add_values(
    const Rows& values, const float* weights, int group, int begin, int end,
    float (&outputs)[kHeads][kLaneChannels]
) {
  struct alignas(sizeof(float) * kHeads) Weights {
    float of[kHeads];
  };
#pragma unroll 4
  for (int place = 0; place < kChunk; place += kGroups) {
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

/// Merges what the warps of a CTA have left of each head, a warp to a head: states, and outputs
/// that are warp_stride and head_stride numbers apart. first_part: of `parts`, the first head's.
template <int kHeads>
__device__ __forceinline__ void merge_warps(
    const SpanParts& parts, int64_t first_part, int num_heads, int head_dim,
    const SoftmaxState (&states)[kWarps][kHeads], const float* outputs, int warp_stride,
    int head_stride
) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int h = static_cast<int>(threadIdx.x) / kWarp; h < num_heads; h += kWarps) {
    SoftmaxState merged = empty_state();
#pragma unroll
    for (int w = 0; w < kWarps; ++w) merged.largest = fmaxf(merged.largest, states[w][h].largest);
    float factors[kWarps];
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      factors[w] = exp2_approximate(states[w][h].largest - merged.largest);
      merged.sum += factors[w] * states[w][h].sum;
    }
    const int64_t part = first_part + static_cast<int64_t>(h) * parts.spans;
    if (lane == 0) parts.states[part] = merged;
    for (int i = lane; i < head_dim; i += kWarp) {
      float output = 0.0f;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) {
        output += factors[w] * outputs[w * warp_stride + h * head_stride + i];
      }
      parts.outputs[part * head_dim + i] = output;
    }
  }
}

/// What is the same for all CTAs of a launch.
struct LaunchPlan {
  int first_row;    // the problem's, that blockIdx.x counts from
  int group;        // query heads of a kv head
  int group_parts;  // CTAs that they are shared out to
  int slot_bytes;   // of a chunk of keys or of values
  int warp_bytes;   // of a warp's ring
};

/// blockIdx: row, kv head and part of its group, span.
template <typename Scores>
__global__ void __launch_bounds__(kThreads, kResidentCtas) attention_kernel(
    const __grid_constant__ AttentionProblem problem, const __grid_constant__ SpanParts parts,
    const __grid_constant__ LaunchPlan plan
) {
  constexpr int kHeads = Scores::kHeads;
  constexpr int kLanes = Scores::kLanes;
  constexpr int kChunk = Scores::kChunk;
  static_assert(kLeastSpan % (kChunk * kWarps) == 0, "a span is as many chunks for every warp");
  static_assert(kPageTokens % kChunk == 0, "a chunk lies in one page");
  TRELLIS_DYNAMIC_SHARED(dynamic);  // a ring of chunks for every warp; then its outputs
  __shared__ alignas(16) float shared_weights[kWarps][kChunk * kHeads];
  __shared__ SoftmaxState left[kWarps][kHeads];
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
  const int first_chunk = begin / kChunk;
  int chunk = first_chunk + (warp - first_chunk % kWarps + kWarps) % kWarps;

  const int sequence = sequence_of(problem.row_begin, problem.num_sequences, row);
  const int32_t* pages = problem.page_table + static_cast<int64_t>(sequence) * problem.max_pages;
  char* ring = dynamic + warp * plan.warp_bytes;
  // Where the cache has a chunk: an int, since 2^31 rows of one layer fill no memory.
  const auto row_of = [&](int wanted) {
    const int position = wanted * kChunk;
    const int page = position < end ? pages[position / kPageTokens] : 0;
    return (page * problem.kv_heads + kv_head) * kPageTokens + position % kPageTokens;
  };
  const auto copy = [&](const KvRows& side, int wanted, int cache_row, int slot) {
    const int count = min(kChunk, end - wanted * kChunk);
    if (count > 0) {
      const uint32_t place = shared_address(ring + slot * plan.slot_bytes);
      copy_chunk<kChunk>(place, side, head_dim, cache_row, count);
    }
    cp_async_commit();
  };
  // Keys and values that earlier steps have stored can be read before the kernels in front end.
  const int stored = problem.positions[problem.row_begin[sequence]];
  if ((chunk + 1) * kChunk > stored) dependencies_wait();
  const int first_cache_row = row_of(chunk);
  copy(problem.keys, chunk, first_cache_row, 0);
  copy(problem.values, chunk, first_cache_row, 1);
  int next_cache_row = row_of(chunk + kWarps);
  dependencies_wait();

  Scores queries;
  queries.load(
      problem, problem.queries + (int64_t{plan.first_row} * problem.heads + first_head) * head_dim,
      num_heads
  );
  const auto chunk_at = [&](const KvRows& side, int slot) {
    const char* numbers = ring + slot * plan.slot_bytes;
    const char* scales = numbers + kChunk * row_bytes(side, head_dim);
    return KvChunk{numbers, reinterpret_cast<const uint16_t*>(scales), head_dim, 0};
  };
  float* weights = shared_weights[warp];
  SoftmaxState state = empty_state();  // of head Scores::head(); the sum is the lane's share
  float outputs[kHeads][kLaneChannels] = {};
  int slot = 0;
  const auto next_slot = [](int slot) { return slot + 1 < kSlots ? slot + 1 : 0; };
  for (; chunk * kChunk < end; chunk += kWarps) {
    const int chunk_begin = max(begin - chunk * kChunk, 0);
    const int chunk_end = min(end - chunk * kChunk, kChunk);
    cp_async_wait<1>();
    __syncwarp();  // the keys have come; the values before them have been read
    const int values_slot = next_slot(slot);
    const int next_keys_slot = next_slot(values_slot);
    copy(problem.keys, chunk + kWarps, next_cache_row, next_keys_slot);
    float scores[Scores::kCount];
    queries.score(chunk_at(problem.keys, slot), problem.keys.bits, scores);

    const float before = state.largest;
#pragma unroll
    for (int i = 0; i < Scores::kCount; ++i) {
      const int key = Scores::key(i);
      if (key < chunk_begin || key >= chunk_end) scores[i] = -INFINITY;
      state.largest = fmaxf(state.largest, scores[i]);
    }
    state.largest = Scores::largest(state.largest);
    // What the first chunk adds to are zeros.
    if (__any_sync(kAllLanes, state.largest != before && before != -INFINITY)) {
      const float factor = exp2_approximate(before - state.largest);
      state.sum *= factor;
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float head_factor = __shfl_sync(kAllLanes, factor, Scores::lane_of(h));
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) outputs[h][i] *= head_factor;
      }
    }
#pragma unroll
    for (int i = 0; i < Scores::kCount; ++i) {
      const float weight = exp2_approximate(scores[i] - state.largest);
      state.sum += weight;
      if (Scores::head() < kHeads) weights[Scores::key(i) * kHeads + Scores::head()] = weight;
    }

    cp_async_wait<1>();
    __syncwarp();  // the values have come, and the weights; the keys have been read
    copy(problem.values, chunk + kWarps, next_cache_row, slot);
    next_cache_row = row_of(chunk + 2 * kWarps);
    KvChunk values = chunk_at(problem.values, values_slot);
    // What lanes behind the last channel sum is of no use.
    const int channel = thread_index() % kLanes * kLaneChannels;
    values.channel = channel < head_dim ? channel : 0;
    visit_rows(values, problem.values.bits, [&](const auto& rows) {
      const int group = thread_index() % kWarp / kLanes;
      add_values<kChunk, kWarp / kLanes>(rows, weights, group, chunk_begin, chunk_end, outputs);
    });
    slot = next_keys_slot;
  }

  // A group's lanes hold what its positions add: all groups' positions, then all warps'.
  const float sum = Scores::sum(state.sum);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (Scores::head() < kHeads && lane == Scores::lane_of(Scores::head())) {
    left[warp][Scores::head()] = {state.largest, sum};
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
      outputs[h][i] *= unit;
    }
    if (lane < kLanes) {
      float4* place = reinterpret_cast<float4*>(ring) + (h * kLanes + lane) * kLaneChannels / 4;
      place[0] = make_float4(outputs[h][0], outputs[h][1], outputs[h][2], outputs[h][3]);
      place[1] = make_float4(outputs[h][4], outputs[h][5], outputs[h][6], outputs[h][7]);
    }
  }
  __syncthreads();
  merge_warps(
      parts, static_cast<int64_t>(first_head) * parts.spans + span, num_heads, head_dim, left,
      reinterpret_cast<const float*>(dynamic), plan.warp_bytes / static_cast<int>(sizeof(float)),
      kLanes * kLaneChannels
  );
}

int group_of(const AttentionProblem& problem) {
  return problem.heads / problem.kv_heads;
}

/// Query heads of a CTA.
int cta_heads(const AttentionProblem& problem) {
  return group_of(problem) <= 2 && problem.head_dim <= 128 ? 2 : 4;
}

/// CTAs that the query heads of a kv head are shared out to, so many a CTA.
int group_parts(const AttentionProblem& problem, int heads) {
  return (group_of(problem) + heads - 1) / heads;
}

/// How the spans of a launch lie in scratch memory.
SpanParts parts_of(const AttentionProblem& problem, void* scratch) {
  SpanParts parts;
  const int ctas = problem.kv_heads * group_parts(problem, cta_heads(problem));
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

template <typename Scores>
void launch_attention(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts, int64_t first_row,
    int64_t rows
) {
  const auto chunk_bytes = [&](const KvRows& side) {
    return Scores::kChunk *
           (row_bytes(side, problem.head_dim) + scale_bytes(side, problem.head_dim));
  };
  LaunchPlan plan;
  plan.first_row = static_cast<int>(first_row);
  plan.group = group_of(problem);
  plan.group_parts = group_parts(problem, Scores::kHeads);
  plan.slot_bytes = std::max(chunk_bytes(problem.keys), chunk_bytes(problem.values));
  constexpr int kOutputs = Scores::kHeads * Scores::kLanes * kLaneChannels;
  plan.warp_bytes = std::max(kSlots * plan.slot_bytes, kOutputs * static_cast<int>(sizeof(float)));
  const LaunchShape shape = {
      dim3(
          static_cast<unsigned>(rows), static_cast<unsigned>(problem.kv_heads * plan.group_parts),
          static_cast<unsigned>(parts.spans)
      ),
      kThreads, static_cast<size_t>(kWarps * plan.warp_bytes), true
  };
  launch(stream, shape, attention_kernel<Scores>, problem, parts, plan);
}

/// What the spans of rows first_row and on leave in `parts`.
void attend_spans(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts, int64_t first_row,
    int64_t rows
) {
  const auto with = [&](auto scores) {
    launch_attention<decltype(scores)>(stream, problem, parts, first_row, rows);
  };
  const bool two_heads = cta_heads(problem) == 2;
  const bool tensor = !problem.is_exact && !two_heads && problem.keys.bits <= 16 &&
                      problem.head_dim % exl3::kKvGroup == 0;
  // Where CTAs are few, what takes long is the number of instructions of each: a head's results do
  // not depend on the others of its CTA.
  const int64_t ctas = rows * problem.kv_heads * group_parts(problem, 4) * parts.spans;
  const bool halved = ctas <= kMostRowCtas / 2;
  if (problem.head_dim > 128) {
    with(FloatScores<4, 32>());
  } else if (problem.head_dim > 64) {
    if (tensor) return halved ? with(TensorScores<16, 2>()) : with(TensorScores<16, 4>());
    two_heads ? with(FloatScores<2, 16>()) : with(FloatScores<4, 16>());
  } else {
    if (tensor) return halved ? with(TensorScores<8, 2>()) : with(TensorScores<8, 4>());
    two_heads ? with(FloatScores<2, 8>()) : with(FloatScores<4, 8>());
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
