// Where top-k and top-p cut a row: the last token that may come, in the order of keys. Its tokens
// are first sorted into bins by their distance behind the best one, with the count and the weight
// of each bin: a CTA owns 8192 ids. Then a CTA a row finds the bin in which the cut lies and ranks
// that bin's tokens among themselves; a bin of more than 1024 it first splits by the bits of their
// keys, as often as it takes. All sums are of integers. Traffic: a row once, and once more for each
// of the two cuts; only ties and flat rows take more.
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/device/token_key.cuh"
#include "backend/cuda/kernels/sample.h"

namespace trellis::cuda {
namespace {

using Weight = unsigned long long;

constexpr int kBins = SampleScratch::kBins;
constexpr int kBinBits = 11;
static_assert(kBins == 1 << kBinBits);

/// Bins are 1/64 wide; the last one takes all that is too far behind to have a weight.
__device__ __forceinline__ int bin_of(float distance) {
  constexpr float kBinsOfOne = 64.0f;
  constexpr float kFar = (kBins - 1) / kBinsOfOne;
  return distance < kFar ? static_cast<int>(distance * kBinsOfOne) : kBins - 1;
}

/// Adds a token to its bin; those without weight, which may be most, only to the count.
__device__ __forceinline__ void add_to_bin(
    unsigned* counts, Weight* weights, int bin, Weight weight
) {
  atomicAdd(&counts[bin], 1u);
  if (weight > 0) atomicAdd(&weights[bin], weight);
}

constexpr int kPartThreads = 256;
constexpr int kPart = 8192;  // ids of a CTA

__global__ void __launch_bounds__(kPartThreads) histogram_kernel(
    const float* logits, int columns, const TokenChoice* choices, const TokenKey* best,
    unsigned* row_counts, Weight* row_weights
) {
  __shared__ unsigned counts[kBins];
  __shared__ Weight weights[kBins];
  dependents_launch();
  dependencies_wait();
  const TokenChoice choice = choices[blockIdx.y];
  if (!choice.cuts()) return;
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kPartThreads) {
    counts[bin] = 0;
    weights[bin] = 0;
  }
  __syncthreads();

  const int begin = static_cast<int>(blockIdx.x) * kPart;
  const int end = min(begin + kPart, min(columns, choice.vocab));
  const float* row = logits + int64_t{blockIdx.y} * columns;
  const float most_probable = number_of(best[blockIdx.y]);
  unsigned far = 0;
  for_each_token<kPartThreads>(row, begin, end, choice, [&](int, float number) {
    const float distance = distance_behind(most_probable, number);
    const int bin = bin_of(distance);
    if (bin == kBins - 1) {
      ++far;
    } else {
      add_to_bin(counts, weights, bin, static_cast<Weight>(token_weight(distance)));
    }
  });
  if (far > 0) atomicAdd(&counts[kBins - 1], far);
  __syncthreads();

  const int64_t first = int64_t{blockIdx.y} * kBins;
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kPartThreads) {
    if (counts[bin] > 0) atomicAdd(&row_counts[first + bin], counts[bin]);
    if (weights[bin] > 0) atomicAdd(&row_weights[first + bin], weights[bin]);
  }
}

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / kWarp;
/// Tokens that are ranked by comparing all with all: one a thread.
constexpr int kMostRanked = kThreads;

/// How many tokens, and what they weigh together.
struct Amount {
  Weight count;
  Weight weight;
};

/// A cut is reached at the first token with which this many tokens, or this weight, have come.
struct Goal {
  bool by_weight;
  Weight wanted;  // at least 1

  __device__ bool reached(const Amount& amount) const {
    return (by_weight ? amount.weight : amount.count) >= wanted;
  }
};

/// Tokens that follow one another in the order of a row: those of a bin whose keys begin with
/// prefix.
struct Region {
  int bin = 0;
  int shift = 64;  // of the keys' bits: those below are free
  TokenKey prefix = 0;
  Amount before{};  // tokens in front of it
  Amount own{};

  __device__ bool has(int token_bin, TokenKey key) const {
    return token_bin == bin && (shift == 64 || key >> shift == prefix);
  }
};

struct Shared {
  unsigned counts[kBins];
  Weight weights[kBins];
  TokenKey keys[kMostRanked];
  Weight key_weights[kMostRanked];
  Amount warp_totals[kWarps];
  int num_keys;
  int found;       // the bin in which a goal is reached, or -1
  Amount before;   // what comes before it
  Amount total;    // what all bins hold
  TokenKey cut;    // the token with which a goal is reached
  Amount through;  // it and all before it
};

__device__ __forceinline__ Amount sum(const Amount& a, const Amount& b) {
  return {a.count + b.count, a.weight + b.weight};
}

/// Finds the bin in which the goal is reached, counting on from `before`. order(i) is the i-th bin
/// in the order of tokens; amount(bin) what it holds. Leaves found, before and total.
template <typename Order, typename BinAmount>
__device__ __forceinline__ void find_bin(
    Shared& shared, const Goal& goal, const Amount& before, const Order& order,
    const BinAmount& amount
) {
  constexpr int kOwn = kBins / kThreads;
  const int thread = static_cast<int>(threadIdx.x);
  Amount own{};
  for (int i = 0; i < kOwn; ++i) own = sum(own, amount(order(thread * kOwn + i)));
  // Inclusive sums over the threads of the warp, then over the warps in front of it.
  Amount upto = own;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const Weight count = __shfl_up_sync(kAllLanes, upto.count, distance);
    const Weight weight = __shfl_up_sync(kAllLanes, upto.weight, distance);
    if (thread % kWarp >= distance) upto = sum(upto, {count, weight});
  }
  if (thread % kWarp == kWarp - 1) shared.warp_totals[thread / kWarp] = upto;
  if (thread == 0) shared.found = -1;
  __syncthreads();
  Amount reached = before;
  for (int warp = 0; warp < thread / kWarp; ++warp) {
    reached = sum(reached, shared.warp_totals[warp]);
  }
  reached = {reached.count + upto.count - own.count, reached.weight + upto.weight - own.weight};
  for (int i = 0; i < kOwn; ++i) {
    const int bin = order(thread * kOwn + i);
    const Amount next = sum(reached, amount(bin));
    if (!goal.reached(reached) && goal.reached(next)) {
      shared.found = bin;
      shared.before = reached;
    }
    reached = next;
  }
  if (thread == kThreads - 1) shared.total = reached;
  __syncthreads();
}

/// What a CTA knows of its row.
struct Row {
  const float* logits;
  int end;
  TokenChoice choice;
  float most_probable;

  /// Calls use(key, weight) for the tokens of a region.
  template <typename Use>
  __device__ __forceinline__ void for_each(const Region& region, const Use& use) const {
    for_each_token<kThreads>(logits, 0, end, choice, [&](int id, float number) {
      const float distance = distance_behind(most_probable, number);
      const TokenKey key = token_key(number, id);
      if (!region.has(bin_of(distance), key)) return;
      use(key, static_cast<Weight>(token_weight(distance)));
    });
  }
};

/// Splits the region by the next bits of its keys and goes on with the part that has the goal.
__device__ __forceinline__ void narrow(
    Shared& shared, const Row& row, const Goal& goal, Region& region
) {
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kThreads) {
    shared.counts[bin] = 0;
    shared.weights[bin] = 0;
  }
  __syncthreads();
  const int shift = max(region.shift - kBinBits, 0);
  const unsigned mask = (1u << (region.shift - shift)) - 1;
  row.for_each(region, [&](TokenKey key, Weight weight) {
    const int digit = static_cast<int>(static_cast<unsigned>(key >> shift) & mask);
    add_to_bin(shared.counts, shared.weights, digit, weight);
  });
  __syncthreads();
  const auto amount = [&](int bin) { return Amount{shared.counts[bin], shared.weights[bin]}; };
  const auto largest_first = [](int i) { return kBins - 1 - i; };
  find_bin(shared, goal, region.before, largest_first, amount);
  const TokenKey before = region.shift == 64 ? 0 : region.prefix << (region.shift - shift);
  region.prefix = before | static_cast<unsigned>(shared.found);
  region.shift = shift;
  region.before = shared.before;
  region.own = amount(shared.found);
  __syncthreads();
}

/// Leaves cut, and through, where the goal is reached within the region.
__device__ __forceinline__ void rank(
    Shared& shared, const Row& row, const Goal& goal, const Region& region
) {
  if (threadIdx.x == 0) shared.num_keys = 0;
  __syncthreads();
  row.for_each(region, [&](TokenKey key, Weight weight) {
    const int place = atomicAdd(&shared.num_keys, 1);
    shared.keys[place] = key;
    shared.key_weights[place] = weight;
  });
  __syncthreads();
  const int num_keys = shared.num_keys;
  if (static_cast<int>(threadIdx.x) < num_keys) {
    const TokenKey own = shared.keys[threadIdx.x];
    Amount before = region.before;
    for (int i = 0; i < num_keys; ++i) {
      if (shared.keys[i] > own) before = sum(before, {1, shared.key_weights[i]});
    }
    const Amount through = sum(before, {1, shared.key_weights[threadIdx.x]});
    if (!goal.reached(before) && goal.reached(through)) {
      shared.cut = own;
      shared.through = through;
    }
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kThreads) cut_kernel(
    const float* logits, int columns, const TokenChoice* choices, const TokenKey* best,
    const unsigned* row_counts, const Weight* row_weights, TokenKey* cut
) {
  __shared__ Shared shared;
  dependents_launch();
  dependencies_wait();
  const TokenChoice choice = choices[blockIdx.x];
  if (!choice.cuts()) return;
  const Row row = {
      logits + int64_t{blockIdx.x} * columns, min(columns, choice.vocab), choice,
      number_of(best[blockIdx.x])
  };
  const int64_t first = int64_t{blockIdx.x} * kBins;
  const auto row_bins = [&](int bin) {
    return Amount{row_counts[first + bin], row_weights[first + bin]};
  };
  const auto in_order = [](int i) { return i; };

  constexpr Weight kNever = ~Weight{0};
  Goal goal = {false, choice.top_k > 0 ? static_cast<Weight>(choice.top_k) : kNever};
  TokenKey last = kNoToken;
#pragma unroll 1
  while (true) {
    find_bin(shared, goal, {}, in_order, row_bins);
    const int found = shared.found;
    Weight kept = shared.total.weight;
    if (found >= 0) {
      Region region;
      region.bin = found;
      region.before = shared.before;
      region.own = row_bins(found);
      while (region.own.count > kMostRanked) narrow(shared, row, goal, region);
      rank(shared, row, goal, region);
      last = shared.cut;
      kept = shared.through.weight;
    }
    __syncthreads();
    if (goal.by_weight || choice.top_p >= 1.0f || kept == 0) break;
    goal = {true, static_cast<Weight>(nucleus_weight(choice.top_p, static_cast<int64_t>(kept)))};
  }
  if (threadIdx.x == 0) cut[blockIdx.x] = last;
}

}  // namespace

void sample_cut(cudaStream_t stream, const SampleProblem& problem, const SampleScratch& scratch) {
  const auto rows = static_cast<unsigned>(problem.rows);
  const auto parts = static_cast<unsigned>((problem.columns + kPart - 1) / kPart);
  const size_t bins = size_t{rows} * kBins;
  TRELLIS_CUDA_CHECK(cudaMemsetAsync(scratch.counts, 0, bins * sizeof(unsigned), stream));
  TRELLIS_CUDA_CHECK(cudaMemsetAsync(scratch.weights, 0, bins * sizeof(Weight), stream));
  launch(
      stream, {{parts, rows}, kPartThreads, 0, true}, histogram_kernel, problem.logits,
      problem.columns, problem.choices, scratch.best, scratch.counts, scratch.weights
  );
  launch(
      stream, {rows, kThreads, 0, true}, cut_kernel, problem.logits, problem.columns,
      problem.choices, scratch.best, scratch.counts, scratch.weights, scratch.cut
  );
}

}  // namespace trellis::cuda
