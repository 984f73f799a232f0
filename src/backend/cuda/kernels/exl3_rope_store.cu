// svh * H(products) + bias; y = x / sqrt(mean(x^2) + epsilon) * weight for each head, in models
// that have it; (a, b) -> (a cos - b sin, b cos + a sin); the append to the cache. A CTA owns whole
// heads of a row that are whole blocks of 128 outputs too: one block, or one head of two, or with
// many rows up to four blocks, which share the angles. The numbers cross its threads in shared
// memory.
//
// Angles need no product: they are computed before the GEMV has ended, in fp64 as in rope.cu.
// Traffic: the products in, queries and the cache's numbers out.
#include "backend/cuda/device/exl3_block.cuh"
#include "backend/cuda/device/kv_writer.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/ptx.cuh"
#include "backend/cuda/kernels/exl3_rope_store.h"

namespace trellis::cuda {
namespace {

constexpr int kMostThreads = kMostRopeStoreNumbers / kLaneNumbers;

constexpr int kMostHead = 2 * kBlock;

/// The numbers of a CTA on their way, and the angles that turn them.
struct SharedMemory {
  alignas(16) float numbers[kMostRopeStoreNumbers];
  float cosines[kMostHead / 2];
  float sines[kMostHead / 2];
  float warp_squares[kMostThreads / kWarp];
};

/// Which layer a CTA's numbers come from, and where they stand in its outputs.
struct Place {
  bool is_query;
  bool is_value;
  int first;  // of the outputs

  __device__ Place(const RopeStoreProblem& problem, int numbers) {
    const int queries = problem.heads * problem.head_dim;
    const int keys = problem.kv_heads * problem.head_dim;
    const int index = static_cast<int>(blockIdx.y) * numbers;
    is_query = index < queries;
    is_value = index >= queries + keys;
    first = is_query ? index : (index - queries) % keys;
  }
};

/// Cosine and sine of every pair of a head, as rope.cu computes them.
__device__ __forceinline__ void compute_angles(
    SharedMemory& shared, const RopeStoreProblem& problem, int64_t row
) {
  const double position = problem.positions[row];
  for (int i = static_cast<int>(threadIdx.x); i < problem.half; i += static_cast<int>(blockDim.x)) {
    double sine = 0.0;
    double cosine = 0.0;
    sincos(position * static_cast<double>(problem.inverse_frequency[i]), &sine, &cosine);
    shared.cosines[i] = static_cast<float>(cosine * problem.factor);
    shared.sines[i] = static_cast<float>(sine * problem.factor);
  }
}

/// Normalises this lane's numbers of a head, which spreads over several lanes or two warps.
__device__ __forceinline__ void normalise_head(
    SharedMemory& shared, const float* weight, float epsilon, int head_dim, float (&v)[kLaneNumbers]
) {
  float squares = v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3];
  for (int distance = min(head_dim, kBlock) / kLaneNumbers / 2; distance > 0; distance /= 2) {
    squares += __shfl_xor_sync(kAllLanes, squares, distance);
  }
  if (head_dim > kBlock) {
    if (threadIdx.x % kWarp == 0) shared.warp_squares[threadIdx.x / kWarp] = squares;
    __syncthreads();
    const unsigned first = threadIdx.x / kWarp / 2 * 2;  // of the head's warps
    squares = shared.warp_squares[first] + shared.warp_squares[first + 1];
  }
  const float scale = 1.0f / sqrtf(squares / static_cast<float>(head_dim) + epsilon);
  const float* weights = weight + static_cast<int>(threadIdx.x) * kLaneNumbers % head_dim;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) v[i] = v[i] * scale * weights[i];
}

__device__ __forceinline__ void rotate_heads(
    SharedMemory& shared, const RopeStoreProblem& problem, int numbers
) {
  const int pairs = numbers / problem.head_dim * problem.half;
  for (int p = static_cast<int>(threadIdx.x); p < pairs; p += static_cast<int>(blockDim.x)) {
    const int i = p % problem.half;
    float* pair = shared.numbers + p / problem.half * problem.head_dim + i;
    const float a = pair[0];
    const float b = pair[problem.half];
    const float c = shared.cosines[i];
    const float s = shared.sines[i];
    pair[0] = a * c - b * s;
    pair[problem.half] = b * c + a * s;
  }
}

/// kMayBeQuantized: keys or values are. Number: of the products.
template <bool kMayBeQuantized, typename Number>
__global__ void __launch_bounds__(kMostThreads)
    rope_store_kernel(const __grid_constant__ RopeStoreProblem problem) {
  __shared__ SharedMemory shared;
  dependents_launch();
  const int tid = static_cast<int>(threadIdx.x);
  const int64_t row = blockIdx.x;
  const int numbers = static_cast<int>(blockDim.x) * kLaneNumbers;
  const int head_dim = problem.head_dim;
  const Place place(problem, numbers);
  const Exl3Products& products =
      place.is_query ? problem.queries : (place.is_value ? problem.values : problem.keys);
  const int64_t block = place.first / kBlock + tid / kWarp;
  const LaneScales svh = load_scales(products.svh, block);
  if (!place.is_value) compute_angles(shared, problem, row);
  dependencies_wait();

  float v[kLaneNumbers];
  finish_outputs<Number>(products, svh, row, block, v);
  const float* norm = place.is_query ? problem.query_norm : problem.key_norm;
  if (!place.is_value && norm != nullptr) {
    normalise_head(shared, norm, problem.epsilon, head_dim, v);
  }
  store_block(v, shared.numbers, tid / kWarp);
  __syncthreads();
  if (!place.is_value) {
    rotate_heads(shared, problem, numbers);
    __syncthreads();
  }

  const int mine = tid * kLaneNumbers;
  if (place.is_query) {
    load_block(shared.numbers, tid / kWarp, v);
    store_block(v, problem.rotated + row * problem.heads * head_dim, block);
    return;
  }
  const KvRows& cache = place.is_value ? problem.value_cache : problem.key_cache;
  const int32_t slot = problem.slots[row];
  if (kMayBeQuantized && cache.is_quantized()) {
    const int first = tid * exl3::kKvGroup;
    if (first >= numbers) return;
    const int64_t to =
        cache_row(slot, problem.kv_heads, (place.first + first) / head_dim) * head_dim +
        (place.first + first) % head_dim;
    store_group(shared.numbers + first, cache, to / exl3::kKvGroup);
    return;
  }
  const int64_t to = cache_row(slot, problem.kv_heads, (place.first + mine) / head_dim) * head_dim +
                     (place.first + mine) % head_dim;
#pragma unroll
  for (int i = 0; i < kLaneNumbers; ++i) store_number(shared.numbers[mine + i], cache, to + i);
}

template <typename Number>
void launch_rope_store(cudaStream_t stream, const RopeStoreProblem& problem) {
  const int all = (problem.heads + 2 * problem.kv_heads) * problem.head_dim;
  const dim3 grid(
      static_cast<unsigned>(problem.rows), static_cast<unsigned>(all / problem.numbers)
  );
  const bool quantized = problem.key_cache.is_quantized() || problem.value_cache.is_quantized();
  launch(
      stream, {grid, static_cast<unsigned>(problem.numbers / kLaneNumbers), 0, true},
      quantized ? rope_store_kernel<true, Number> : rope_store_kernel<false, Number>, problem
  );
}

}  // namespace

bool can_rope_store(int head_dim) {
  return head_dim == kMostHead || (head_dim % exl3::kKvGroup == 0 && kBlock % head_dim == 0);
}

void exl3_rope_store(cudaStream_t stream, const RopeStoreProblem& problem) {
  const bool halves = problem.queries.type == FloatType::kFloat16;
  halves ? launch_rope_store<__half>(stream, problem) : launch_rope_store<float>(stream, problem);
}

}  // namespace trellis::cuda
