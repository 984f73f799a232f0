// The choice of a token from a row of logits: the most probable one, or the one whose logit and
// noise are largest. A CTA owns 2048 ids of a row and finds the first of their keys; a second
// kernel, a CTA a row, the first of those. Keys order by integers, so the order of the search is
// free. Traffic: a row once, and once more for a draw.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/token_key.cuh"
#include "backend/cuda/kernels/sample.h"
#include "base/philox.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPart = 2048;  // ids of a CTA

__global__ void __launch_bounds__(kThreads)
    edit_kernel(float* logits, int columns, const TokenEdit* edits, int num_edits) {
  dependents_launch();
  dependencies_wait();
  const int index = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (index >= num_edits) return;
  const TokenEdit edit = edits[index];
  if (edit.id >= columns) return;
  float& logit = logits[int64_t{edit.row} * columns + edit.id];
  logit = edited_logit(logit, edit);
}

__global__ void __launch_bounds__(kThreads) most_probable_kernel(
    const float* logits, int columns, const TokenChoice* choices, TokenKey* partial
) {
  __shared__ TokenKey scratch[kThreads / kWarp];
  dependents_launch();
  dependencies_wait();
  const TokenChoice choice = choices[blockIdx.y];
  const int begin = static_cast<int>(blockIdx.x) * kPart;
  const int end = min(begin + kPart, min(columns, choice.vocab));
  TokenKey best = kNoToken;
  const float* row = logits + int64_t{blockIdx.y} * columns;
  for_each_token<kThreads>(row, begin, end, choice, [&](int id, float number) {
    const TokenKey key = token_key(number, id);
    best = key > best ? key : best;
  });
  best = block_max<kThreads>(best, scratch);
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = best;
}

/// The noise of four ids in a row: group is the first of them over 4.
__device__ __forceinline__ std::array<uint32_t, 4> noise_bits(
    const TokenChoice& choice, int group
) {
  return philox4x32(
      {static_cast<uint32_t>(group), choice.position, 0, 0}, {choice.seed_low, choice.seed_high}
  );
}

/// Of the tokens that the cuts leave, by logit and noise. A thread takes four ids in a row.
__global__ void __launch_bounds__(kThreads) draw_kernel(
    const float* logits, int columns, const TokenChoice* choices, const TokenKey* best,
    const TokenKey* cut, TokenKey* partial
) {
  __shared__ TokenKey scratch[kThreads / kWarp];
  dependents_launch();
  dependencies_wait();
  const TokenChoice choice = choices[blockIdx.y];
  if (!choice.draws()) return;
  const float* row = logits + int64_t{blockIdx.y} * columns;
  const float most_probable = number_of(best[blockIdx.y]);
  const float least = most_probable + choice.log_min_p;
  const TokenKey last = choice.cuts() ? cut[blockIdx.y] : kNoToken;
  const int end = min(columns, choice.vocab);
  TokenKey drawn = kNoToken;
#pragma unroll 1
  for (int i = 0; i < kPart / (4 * kThreads); ++i) {
    const int group =
        static_cast<int>(blockIdx.x) * (kPart / 4) + i * kThreads + static_cast<int>(threadIdx.x);
    float numbers[4];
    bool may_come[4];
    bool any = false;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int id = 4 * group + j;
      numbers[j] = id < end ? row[id] / choice.temperature : -INFINITY;
      may_come[j] =
          is_possible(numbers[j]) && !(numbers[j] < least) && token_key(numbers[j], id) >= last;
      any = any || may_come[j];
    }
    if (!any) continue;
    const std::array<uint32_t, 4> bits = noise_bits(choice, group);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (!may_come[j]) continue;
      const float number = gumbel_noise(bits[j]) - distance_behind(most_probable, numbers[j]);
      const TokenKey key = token_key(number, 4 * group + j);
      drawn = key > drawn ? key : drawn;
    }
  }
  drawn = block_max<kThreads>(drawn, scratch);
  if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = drawn;
}

/// The first of a row's partial keys. kDrawn: those of draw_kernel, of rows that draw; otherwise
/// those of most_probable_kernel, which chooses for rows that do not.
template <bool kDrawn>
__global__ void __launch_bounds__(kThreads) first_kernel(
    const TokenKey* partial, int splits, const TokenChoice* choices, TokenKey* best, int32_t* chosen
) {
  __shared__ TokenKey scratch[kThreads / kWarp];
  dependents_launch();
  dependencies_wait();
  const int row = static_cast<int>(blockIdx.x);
  if (kDrawn && !choices[row].draws()) return;
  TokenKey first = kNoToken;
  for (int i = static_cast<int>(threadIdx.x); i < splits; i += kThreads) {
    const TokenKey key = partial[int64_t{row} * splits + i];
    first = key > first ? key : first;
  }
  first = block_max<kThreads>(first, scratch);
  if (threadIdx.x != 0) return;
  if (!kDrawn) best[row] = first;
  chosen[row] = first == kNoToken ? -1 : id_of(first);
}

}  // namespace

int sample_splits(int columns) {
  return (columns + kPart - 1) / kPart;
}

void sample(cudaStream_t stream, const SampleProblem& problem, const SampleScratch& scratch) {
  if (problem.rows == 0) return;
  const auto rows = static_cast<unsigned>(problem.rows);
  const int splits = sample_splits(problem.columns);
  const dim3 parts(static_cast<unsigned>(splits), rows);
  if (problem.num_edits > 0) {
    const auto blocks = static_cast<unsigned>((problem.num_edits + kThreads - 1) / kThreads);
    launch(
        stream, {blocks, kThreads, 0, true}, edit_kernel, problem.logits, problem.columns,
        problem.edits, problem.num_edits
    );
  }
  launch(
      stream, {parts, kThreads, 0, true}, most_probable_kernel, problem.logits, problem.columns,
      problem.choices, scratch.partial
  );
  launch(
      stream, {rows, kThreads, 0, true}, first_kernel<false>, scratch.partial, splits,
      problem.choices, scratch.best, problem.chosen
  );
  if (!problem.any_draws) return;
  if (problem.any_cuts) sample_cut(stream, problem, scratch);
  launch(
      stream, {parts, kThreads, 0, true}, draw_kernel, problem.logits, problem.columns,
      problem.choices, scratch.best, scratch.cut, scratch.partial
  );
  launch(
      stream, {rows, kThreads, 0, true}, first_kernel<true>, scratch.partial, splits,
      problem.choices, scratch.best, problem.chosen
  );
}

}  // namespace trellis::cuda
