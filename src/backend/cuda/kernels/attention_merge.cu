// softmax over the spans of a row, by the rule of Milakov & Gimelshein 2018: outputs = sum(f_s *
// outputs_s) / sum(f_s * sum_s), f_s = 2^(largest_s - largest). A CTA owns a block of 128 outputs
// of a row, whatever heads they belong to. First a warp to a head, lanes over spans, finds the
// factors; then a thread owns one output of every second span; at last a warp has the block, and
// can round it as the input of an EXL3 layer. All sums are in a fixed order.
//
// Traffic: what the spans left, once, mostly from L2. Bound by latency: the loads of the outputs
// do not wait for the factors.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/attention_merge.h"
#include "exl3/kv_quant.h"

#include <algorithm>

namespace trellis::cuda {
namespace {

/// With more of them the next product would not fit beside this kernel, and begin later.
constexpr int kSlices = 2;
constexpr int kThreads = kSlices * kBlock;
constexpr int kWarps = kThreads / kWarp;
/// Spans of a slice whose outputs are on their way at a time.
constexpr int kAhead = 16;

/// Heads that a block of outputs has numbers of, at most.
int most_block_heads(int head_dim) {
  return (kBlock + head_dim - 2) / head_dim + 1;
}

/// factors[span] = f_span / sum(f_s * sum_s) of one head; one warp.
__device__ __forceinline__ void find_factors(
    const SoftmaxState* states, int count, float* factors
) {
  constexpr int kLaneSpans = kMostSpans / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  SoftmaxState own[kLaneSpans];
#pragma unroll
  for (int i = 0; i < kLaneSpans; ++i) {
    const int span = lane + i * kWarp;
    own[i] = span < count ? states[span] : empty_state();
  }
  float largest = own[0].largest;
#pragma unroll
  for (int i = 1; i < kLaneSpans; ++i) largest = fmaxf(largest, own[i].largest);
  largest = warp_max(largest);
  float factor[kLaneSpans];
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kLaneSpans; ++i) {
    factor[i] = exp2_approximate(own[i].largest - largest);
    sum += factor[i] * own[i].sum;
  }
  const float inverse = 1.0f / warp_sum(sum);
#pragma unroll
  for (int i = 0; i < kLaneSpans; ++i) {
    if (lane + i * kWarp < count) factors[lane + i * kWarp] = factor[i] * inverse;
  }
}

/// kRounds: there is a reader.
template <bool kRounds>
__global__ void __launch_bounds__(kThreads) merge_spans_kernel(
    const __grid_constant__ AttentionProblem problem, const __grid_constant__ SpanParts parts,
    const __grid_constant__ AttentionReader reader, int64_t first_row
) {
  TRELLIS_DYNAMIC_SHARED(dynamic);  // [heads of the block, spans]
  __shared__ float sums[kSlices][kBlock];
  auto* factors = reinterpret_cast<float*>(dynamic);
  dependents_launch();
  const int tid = static_cast<int>(threadIdx.x);
  const int warp = warp_index();
  const int64_t row = first_row + blockIdx.x;
  const int block = static_cast<int>(blockIdx.y);
  const int row_size = problem.heads * problem.head_dim;
  float v[kLaneNumbers] = {};
  if (kRounds && block * kBlock >= row_size) {
    // Behind the inputs, up to a whole chunk of the layout.
    dependencies_wait();
    if (warp == 0) store_input(v, LaneScales(), reader.input, row, block);
    return;
  }
  const LaneScales suh = kRounds && warp == 0 ? load_scales(reader.suh, block) : LaneScales();
  const int count = spans_of(problem.positions[row], problem.window, parts.most_spans).count();
  const int64_t first_part = static_cast<int64_t>(blockIdx.x) * problem.heads * parts.spans;
  const int first_head = block * kBlock / problem.head_dim;
  const int end_head = (min((block + 1) * kBlock, row_size) - 1) / problem.head_dim + 1;
  dependencies_wait();

  const int number = block * kBlock + tid % kBlock;
  const int slice = tid / kBlock;
  const int head = min(number, row_size - 1) / problem.head_dim;
  const float* outputs =
      parts.outputs + (first_part + static_cast<int64_t>(head) * parts.spans) * problem.head_dim +
      (min(number, row_size - 1) - head * problem.head_dim);
  float loaded[kAhead];
  const auto load = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int s = first + i * kSlices;
      loaded[i] = s < count ? outputs[static_cast<int64_t>(s) * problem.head_dim] : 0.0f;
    }
  };
  load(slice);
  for (int h = first_head + warp; h < end_head; h += kWarps) {
    find_factors(
        parts.states + first_part + static_cast<int64_t>(h) * parts.spans, count,
        factors + (h - first_head) * parts.spans
    );
  }
  __syncthreads();
  const float* own_factors = factors + (head - first_head) * parts.spans;
  float sum = 0.0f;
  for (int first = slice; first < count; first += kAhead * kSlices) {
    if (first != slice) load(first);
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const int s = first + i * kSlices;
      if (s < count) sum += own_factors[s] * loaded[i];
    }
  }
  sums[slice][tid % kBlock] = sum;
  __syncthreads();
  if (warp > 0) return;

#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int place = tid * kLaneNumbers + i;
    v[i] = sums[0][place];
#pragma unroll
    for (int s = 1; s < kSlices; ++s) v[i] += sums[s][place];
  }
  if (problem.values.is_quantized()) hadamard_block<exl3::kKvGroup / kLaneNumbers>(v);
  if constexpr (kRounds) return store_input(v, suh, reader.input, row, block);
  float* output = problem.output + row * row_size;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) {
    const int64_t n = first_of_lane(block) + i;
    if (n < row_size) output[n] = v[i];
  }
}

}  // namespace

void merge_spans(
    cudaStream_t stream, const AttentionProblem& problem, const SpanParts& parts,
    const AttentionReader* reader, int64_t first_row, int64_t rows
) {
  const int64_t row_size = int64_t{problem.heads} * problem.head_dim;
  const int64_t numbers = reader != nullptr ? reader->input.stride : row_size;
  const dim3 grid(
      static_cast<unsigned>(rows), static_cast<unsigned>((numbers + kBlock - 1) / kBlock)
  );
  const size_t shared =
      static_cast<size_t>(most_block_heads(problem.head_dim)) * parts.spans * sizeof(float);
  const LaunchShape shape = {grid, kThreads, shared, true};
  if (reader != nullptr) {
    launch(stream, shape, merge_spans_kernel<true>, problem, parts, *reader, first_row);
  } else {
    launch(stream, shape, merge_spans_kernel<false>, problem, parts, AttentionReader(), first_row);
  }
}

}  // namespace trellis::cuda
