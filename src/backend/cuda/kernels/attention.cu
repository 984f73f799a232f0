// softmax(scale * q K^T) V in spans of 128 positions. A CTA owns one row of queries, up to four
// query heads that share a kv head, and either one span or, one after the other, all of them.
//
// Scores: eight lanes take a key, each every eighth 16-byte piece of it, and meet by shuffles.
// Softmax of a span: a warp to a head. Outputs: a thread owns one number of every head and walks
// over the span's values. Spans are merged in order by the rule of Milakov & Gimelshein 2018; where
// each has a CTA of its own (few rows, which would not fill the device) a second kernel merges
// them. Both ways give the same bits.
//
// Traffic: keys and values once per row of queries; rows of one sequence meet in L2. No tensor
// cores: this is the form for every head size and type.
#include "backend/args.h"
#include "backend/cuda/device/kv_reader.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/attention.h"

#include <algorithm>
#include <cmath>

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
/// CTAs of a multiprocessor at a time. It leaves 128 registers to a thread: with no bound the
/// compiler aims higher and spills.
constexpr int kResidentCtas = 4;
constexpr int kLanesPerKey = 8;
constexpr int kMostNumbers = kMostHeadDim / kThreads;  // of an output, per thread
/// Rows up to which every span gets a CTA of its own.
constexpr int64_t kMostSplitRows = 16;

static_assert(kPageTokens % kAttentionSpan == 0, "a span lies in one page");

/// Of one span or of several merged ones: the largest score, and the sum of exp(score - largest).
/// The outputs beside it are weighted by these exponentials.
struct SoftmaxState {
  float largest = -INFINITY;
  float sum = 0.0f;
};

/// What the outputs so far and those of a span are multiplied by when they are merged.
struct MergeFactors {
  float before;
  float span;
};

__device__ __forceinline__ MergeFactors merge(SoftmaxState& state, SoftmaxState span) {
  const float largest = fmaxf(state.largest, span.largest);
  const MergeFactors factors = {expf(state.largest - largest), expf(span.largest - largest)};
  state.sum = state.sum * factors.before + span.sum * factors.span;
  state.largest = largest;
  return factors;
}

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

/// [row, head, span]: where a CTA that owns one span leaves its part.
struct Partials {
  SoftmaxState* states;
  float* outputs;  // with head_dim numbers each
};

template <int kHeads>
struct SharedMemory {
  float queries[kHeads][kMostHeadDim];
  float weights[kHeads][kAttentionSpan];  // scores, then exponentials
  SoftmaxState states[kHeads];
  MergeFactors factors[kHeads];
};

/// weights[h][p - begin] = scale * q_h . k_p for the positions [begin, end) of one span, which
/// starts at `keys`.
template <int kHeads, int kPiece, typename Reader>
__device__ __forceinline__ void score_span(
    SharedMemory<kHeads>& shared, const Reader& keys, int head_dim, float scale, int begin, int end
) {
  const int tid = static_cast<int>(threadIdx.x);
  const int lane = tid % kLanesPerKey;
  for (int base = begin; base < end; base += kThreads / kLanesPerKey) {
    const int position = base + tid / kLanesPerKey;
    float score[kHeads] = {};
    if (position < end) {
#pragma unroll 2
      for (int i = lane * kPiece; i < head_dim; i += kLanesPerKey * kPiece) {
        float piece[kPiece];
        keys.load(position, i, piece);
#pragma unroll
        for (int h = 0; h < kHeads; ++h) {
#pragma unroll
          for (int j = 0; j < kPiece; ++j) score[h] += piece[j] * shared.queries[h][i + j];
        }
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
#pragma unroll
      for (int distance = kLanesPerKey / 2; distance > 0; distance /= 2) {
        score[h] += __shfl_xor_sync(kAllLanes, score[h], distance);
      }
      if (position < end && lane == 0) shared.weights[h][position - begin] = score[h] * scale;
    }
  }
}

/// Turns a head's scores into exponentials; one warp.
__device__ __forceinline__ SoftmaxState exponentiate(float* weights, int count) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  SoftmaxState state;
  for (int p = lane; p < count; p += kWarp) state.largest = fmaxf(state.largest, weights[p]);
  state.largest = warp_max(state.largest);
  for (int p = lane; p < count; p += kWarp) {
    weights[p] = expf(weights[p] - state.largest);
    state.sum += weights[p];
  }
  state.sum = warp_sum(state.sum);
  return state;
}

/// kHeads: query heads of a CTA. kPiece: elements of a key that a lane reads at once. kSplit: one
/// span to a CTA, which leaves its part in `partials`.
template <int kHeads, int kPiece, bool kSplit, typename Reader>
__global__ void __launch_bounds__(kThreads, kResidentCtas)
    attention_kernel(const __grid_constant__ AttentionProblem problem, Partials partials) {
  __shared__ SharedMemory<kHeads> shared;
  dependents_launch();
  dependencies_wait();
  const int tid = static_cast<int>(threadIdx.x);
  const int warp = tid / kWarp;
  const int row = static_cast<int>(blockIdx.x);
  const int group = problem.heads / problem.kv_heads;
  const int chunks = (group + kHeads - 1) / kHeads;
  const int kv_head = static_cast<int>(blockIdx.y) / chunks;
  const int first_in_group = static_cast<int>(blockIdx.y) % chunks * kHeads;
  const int first_head = kv_head * group + first_in_group;
  const int num_heads = min(kHeads, group - first_in_group);

  const int last = problem.positions[row];
  const int first = problem.window > 0 ? max(0, last - problem.window + 1) : 0;
  const int num_spans = static_cast<int>(gridDim.z);
  const int first_span = kSplit ? static_cast<int>(blockIdx.z) : first / kAttentionSpan;
  const int last_span = kSplit ? first_span : last / kAttentionSpan;
  if (kSplit && (first_span > last / kAttentionSpan || first_span < first / kAttentionSpan)) return;

  const int head_dim = problem.head_dim;
  const float* queries =
      problem.queries + (static_cast<int64_t>(row) * problem.heads + first_head) * head_dim;
  for (int i = tid; i < kHeads * head_dim; i += kThreads) {
    shared.queries[i / head_dim][i % head_dim] = i < num_heads * head_dim ? queries[i] : 0.0f;
  }
  if (tid < kHeads) shared.states[tid] = SoftmaxState();
  if constexpr (Reader::kMayBeRotated) {
    __syncthreads();
    const int groups = head_dim / exl3::kKvGroup;
    if (problem.keys.is_quantized() && tid < kHeads * groups) {
      exl3::hadamard<exl3::kKvGroup>(shared.queries[tid / groups] + tid % groups * exl3::kKvGroup);
    }
  }
  const int sequence = sequence_of(problem.row_begin, problem.num_sequences, row);
  const int32_t* pages = problem.page_table + static_cast<int64_t>(sequence) * problem.max_pages;
  __syncthreads();

  float outputs[kHeads][kMostNumbers] = {};
  for (int span = first_span; span <= last_span; ++span) {
    const int span_begin = span * kAttentionSpan;
    const int begin = max(first - span_begin, 0);
    const int end = min(last - span_begin + 1, kAttentionSpan);
    const int64_t page = pages[span_begin / kPageTokens];
    const int64_t first_row =
        (page * problem.kv_heads + kv_head) * kPageTokens + span_begin % kPageTokens;
    const Reader keys(problem.keys, first_row, head_dim);
    const Reader values(problem.values, first_row, head_dim);

    score_span<kHeads, kPiece>(shared, keys, head_dim, problem.scale, begin, end);
    __syncthreads();
    for (int h = warp; h < kHeads; h += kWarps) {
      const SoftmaxState state = exponentiate(shared.weights[h], end - begin);
      if (tid % kWarp == 0) shared.factors[h] = merge(shared.states[h], state);
    }
    __syncthreads();
#pragma unroll
    for (int n = 0; n < kMostNumbers; ++n) {
      const int i = tid + n * kThreads;
      if (i >= head_dim) break;
      float sums[kHeads] = {};
#pragma unroll 8
      for (int position = begin; position < end; ++position) {
        float value[1];
        values.load(position, i, value);
#pragma unroll
        for (int h = 0; h < kHeads; ++h) sums[h] += shared.weights[h][position - begin] * value[0];
      }
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        outputs[h][n] = outputs[h][n] * shared.factors[h].before + sums[h] * shared.factors[h].span;
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    if (h >= num_heads) break;
    const int64_t head = static_cast<int64_t>(row) * problem.heads + first_head + h;
    const int64_t part = head * num_spans + blockIdx.z;
    float* place = kSplit ? partials.outputs + part * head_dim : problem.output + head * head_dim;
    const float factor = kSplit ? 1.0f : 1.0f / shared.states[h].sum;
#pragma unroll
    for (int n = 0; n < kMostNumbers; ++n) {
      const int i = tid + n * kThreads;
      if (i >= head_dim) break;
      float output = outputs[h][n] * factor;
      if constexpr (Reader::kMayBeRotated && !kSplit) {
        if (problem.values.is_quantized()) output = hadamard_lanes(output);
      }
      place[i] = output;
    }
    if (kSplit && tid == 0) partials.states[part] = shared.states[h];
  }
}

/// Merges the spans of one row and head.
__global__ void __launch_bounds__(kThreads) merge_spans_kernel(
    const __grid_constant__ AttentionProblem problem, Partials partials, int num_spans
) {
  dependents_launch();
  dependencies_wait();
  const int row = static_cast<int>(blockIdx.x);
  const int64_t head = static_cast<int64_t>(row) * problem.heads + blockIdx.y;
  const int last = problem.positions[row];
  const int first = problem.window > 0 ? max(0, last - problem.window + 1) : 0;
  for (int i = static_cast<int>(threadIdx.x); i < problem.head_dim; i += kThreads) {
    SoftmaxState state;
    float output = 0.0f;
    for (int span = first / kAttentionSpan; span <= last / kAttentionSpan; ++span) {
      const int64_t part = head * num_spans + span;
      const MergeFactors factors = merge(state, partials.states[part]);
      output =
          output * factors.before + partials.outputs[part * problem.head_dim + i] * factors.span;
    }
    output *= 1.0f / state.sum;
    if (problem.values.is_quantized()) output = hadamard_lanes(output);
    problem.output[head * problem.head_dim + i] = output;
  }
}

bool is_split(const AttentionProblem& problem) {
  return problem.rows <= kMostSplitRows && problem.max_kv_length > kAttentionSpan;
}

int num_spans(const AttentionProblem& problem) {
  return is_split(problem) ? (problem.max_kv_length + kAttentionSpan - 1) / kAttentionSpan : 1;
}

int64_t num_parts(const AttentionProblem& problem) {
  return is_split(problem) ? problem.rows * problem.heads * num_spans(problem) : 0;
}

template <int kHeads, int kPiece, typename Reader>
void launch_attention(
    cudaStream_t stream, const AttentionProblem& problem, const Partials& partials
) {
  const int group = problem.heads / problem.kv_heads;
  const int chunks = (group + kHeads - 1) / kHeads;
  const LaunchShape shape = {
      dim3(
          static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.kv_heads * chunks),
          static_cast<unsigned>(num_spans(problem))
      ),
      kThreads, 0, true
  };
  if (!is_split(problem)) {
    launch(stream, shape, attention_kernel<kHeads, kPiece, false, Reader>, problem, partials);
    return;
  }
  launch(stream, shape, attention_kernel<kHeads, kPiece, true, Reader>, problem, partials);
  const dim3 heads(static_cast<unsigned>(problem.rows), static_cast<unsigned>(problem.heads));
  launch(
      stream, {heads, kThreads, 0, true}, merge_spans_kernel, problem, partials, num_spans(problem)
  );
}

template <int kPiece, typename Reader>
void launch_for_heads(
    cudaStream_t stream, const AttentionProblem& problem, const Partials& partials
) {
  if (problem.heads == problem.kv_heads) {
    launch_attention<1, kPiece, Reader>(stream, problem, partials);
  } else {
    launch_attention<4, kPiece, Reader>(stream, problem, partials);
  }
}

}  // namespace

size_t attention_scratch_bytes(const AttentionProblem& problem) {
  const auto parts = static_cast<size_t>(num_parts(problem));
  return parts * (sizeof(SoftmaxState) + static_cast<size_t>(problem.head_dim) * sizeof(float));
}

void attention(cudaStream_t stream, const AttentionProblem& problem, void* scratch) {
  auto* states = static_cast<SoftmaxState*>(scratch);
  const Partials partials = {states, reinterpret_cast<float*>(states + num_parts(problem))};
  const int bits = problem.keys.bits;
  if (problem.keys.is_quantized() || bits != problem.values.bits) {
    launch_for_heads<1, AnyReader>(stream, problem, partials);
  } else if (bits == 16 && problem.head_dim % 8 == 0) {
    launch_for_heads<8, DenseReader<__half>>(stream, problem, partials);
  } else if (bits == 16) {
    launch_for_heads<1, DenseReader<__half>>(stream, problem, partials);
  } else if (problem.head_dim % 4 == 0) {
    launch_for_heads<4, DenseReader<float>>(stream, problem, partials);
  } else {
    launch_for_heads<1, DenseReader<float>>(stream, problem, partials);
  }
}

}  // namespace trellis::cuda
