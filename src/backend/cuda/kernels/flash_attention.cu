// softmax(scale * q K^T) V on the tensor cores, many rows of a sequence at a time. Source: Dao 2023
// (FlashAttention-2); mma.sync m16n8k16, sums in fp32.
//
// A CTA owns 64 pairs of a row of one sequence and a query head of one kv head's group, so that few
// rows fill it too and keys are read once per group; a warp owns 16 pairs. It walks over 64 keys at
// a time: the values of a tile come while its scores are computed, the keys of the next one while
// its outputs are. CTAs with the most keys start first.
//
// What is rounded: queries, scaled by scale * log2(e) and, over quantized keys, rotated, to fp16;
// the exponentials of a tile to fp16; quantized keys and values to fp16. Exponentials are
// multiplied by 2^kWeightExponent, so that weights down to 2^-29 of the largest keep all bits of
// fp16.
//
// Tiles of keys begin at multiples of 64 of the position. A masked key weighs exactly zero, and a
// tile of nothing else leaves a row as it is, so its order of summation is its position's alone.
//
// Traffic: keys and values once per 64 pairs, from L2 where CTAs beside each other share them.
#include "backend/args.h"
#include "backend/cuda/device/flash_tile.cuh"
#include "backend/cuda/device/hadamard.cuh"
#include "backend/cuda/device/half_tile.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/kernels/flash_attention.h"

namespace trellis::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kTilePairs = kThreads / kWarp * flash::kWarpPairs;
constexpr int kTileKeys = 64;
constexpr int kKeyTiles = kTileKeys / 8;  // of mma's 8 columns

static_assert(kPageTokens % kTileKeys == 0, "a tile of keys lies in one page");

/// The tiles of a CTA: keys and values, and the queries where registers cannot hold them. Queries
/// that can pass through the tile of values.
template <int kHeadDim>
struct SharedTiles {
  static constexpr int kWidth = (kHeadDim + 31) / 32 * 32;
  using Keys = HalfTile<kTileKeys, kWidth>;
  using Queries = HalfTile<kTilePairs, kWidth>;
  static constexpr bool kQueriesStay = kHeadDim > 128;
  static constexpr int kKeys = 0;
  static constexpr int kValues = Keys::kBytes;
  static constexpr int kQueries = kQueriesStay ? 2 * Keys::kBytes : kValues;
  static constexpr int kBytes = 2 * Keys::kBytes + (kQueriesStay ? Queries::kBytes : 0);
  static_assert(Queries::kBytes <= Keys::kBytes, "queries pass through the tile of values");
};

/// CTAs of a multiprocessor at a time, which bounds registers: three leave 168 to a thread. Without
/// the bound the compiler aims higher; decoding quantized heads of 128 would spill under it.
template <int kHeadDim, bool kMayBeQuantized>
constexpr int kResidentCtas = kHeadDim < 128 || (kHeadDim == 128 && !kMayBeQuantized) ? 3 : 2;

/// Of a lane: where it reads step 0 of its warp's queries, and of all keys and values. Matrices of
/// keys are 8 keys by 8 channels: two of channels, of two groups of keys. Those of values are two
/// of keys, of two groups of channels.
template <typename Tile>
__device__ __forceinline__ uint32_t query_address(uint32_t tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int first_pair = static_cast<int>(threadIdx.x) / kWarp * flash::kWarpPairs;
  return tile + Tile::offset(first_pair + lane % 16, lane / 16);
}
template <typename Tile>
__device__ __forceinline__ uint32_t key_address(uint32_t tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  return tile + Tile::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2);
}
template <typename Tile>
__device__ __forceinline__ uint32_t value_address(uint32_t tile) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  return tile + Tile::offset(lane % 16, lane / 16);
}

/// scores += queries of 16 channels times the same channels of all keys.
template <typename Tile>
__device__ __forceinline__ void add_scores(
    float (&scores)[kKeyTiles][4], const uint32_t (&a)[4], uint32_t keys, int step
) {
  const uint32_t first = Tile::behind(keys, 2 * step);
#pragma unroll
  for (int n = 0; n < kKeyTiles; n += 2) {
    uint32_t b[4];
    ldmatrix_x4(b, first + n * 8 * Tile::kRowBytes);
    mma_m16n8k16_f16(scores[n], a[0], a[1], a[2], a[3], b[0], b[1]);
    mma_m16n8k16_f16(scores[n + 1], a[0], a[1], a[2], a[3], b[2], b[3]);
  }
}

/// outputs += weights of all keys times their values. The scores' accumulators are, in pairs of
/// tiles, the A fragments of the weights.
template <typename Tile, int kTiles>
__device__ __forceinline__ void add_outputs(
    float (&outputs)[kTiles][4], const float (&weights)[kKeyTiles][4], uint32_t values
) {
#pragma unroll
  for (int k = 0; k < kTileKeys / 16; ++k) {
    const float(&low)[4] = weights[2 * k];
    const float(&high)[4] = weights[2 * k + 1];
    const uint32_t a[4] = {
        pack_halves(low[0], low[1]), pack_halves(low[2], low[3]), pack_halves(high[0], high[1]),
        pack_halves(high[2], high[3])
    };
#pragma unroll
    for (int n = 0; n < kTiles; n += 2) {
      uint32_t b[4];
      ldmatrix_x4_trans(b, Tile::behind(values, n) + k * 16 * Tile::kRowBytes);
      mma_m16n8k16_f16(outputs[n], a[0], a[1], a[2], a[3], b[0], b[1]);
      mma_m16n8k16_f16(outputs[n + 1], a[0], a[1], a[2], a[3], b[2], b[3]);
    }
  }
}

/// Rotates the channels of outputs back, 32 at a time, without a scale. Of a channel's number, bit
/// 0 counts within a fragment, bits 1 and 2 lanes, bits 3 and 4 fragments.
template <int kTiles>
__device__ __forceinline__ void rotate_back(float (&outputs)[kTiles][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < kTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const float a = outputs[n][i];
      outputs[n][i] = a + outputs[n][i + 1];
      outputs[n][i + 1] = a - outputs[n][i + 1];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int distance = 1; distance < 4; distance *= 2) {
        const float other = __shfl_xor_sync(kAllLanes, outputs[n][i], distance);
        outputs[n][i] = (lane & distance) != 0 ? other - outputs[n][i] : outputs[n][i] + other;
      }
    }
  }
#pragma unroll
  for (int distance = 1; distance < 4; distance *= 2) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      if ((n & distance) != 0) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float a = outputs[n][i];
        outputs[n][i] = a + outputs[n + distance][i];
        outputs[n + distance][i] = a - outputs[n + distance][i];
      }
    }
  }
}

/// kHeadDim: the problem's head_dim. kMayBeQuantized: keys, values or both are not fp16.
template <int kHeadDim, bool kMayBeQuantized>
__global__ void __launch_bounds__(kThreads, kResidentCtas<kHeadDim, kMayBeQuantized>)
    flash_attention_kernel(const __grid_constant__ AttentionProblem problem) {
  using Shared = SharedTiles<kHeadDim>;
  using Keys = typename Shared::Keys;
  using Queries = typename Shared::Queries;
  constexpr int kSteps = kHeadDim / 16;
  TRELLIS_DYNAMIC_SHARED(shared);
  dependents_launch();
  // What tells the rows, and keys that earlier steps have stored, can be read before the kernels in
  // front have ended.
  const int group = problem.heads / problem.kv_heads;
  const int kv_head = static_cast<int>(blockIdx.y);
  const flash::RowTile rows = flash::find_rows(
      problem.row_begin, problem.num_sequences, static_cast<int>(gridDim.x - 1 - blockIdx.x),
      kTilePairs / group
  );
  if (rows.rows <= 0) return;

  const int stored = problem.positions[problem.row_begin[rows.sequence]];
  const flash::RowPositions positions = flash::find_positions(problem, rows);
  const int first_key = positions.first_tile(kTileKeys);
  const int pages = rows.sequence * problem.max_pages;
  const uint32_t tiles = shared_address(shared);
  const auto load = [&](const KvRows& side, int place, int key) {
    const int64_t page = problem.page_table[pages + key / kPageTokens];
    const int64_t first_row = (page * problem.kv_heads + kv_head) * kPageTokens + key % kPageTokens;
    load_tile<Keys, kTileKeys, kHeadDim, kThreads, kMayBeQuantized>(
        tiles + place, side, first_row, positions.last - key + 1
    );
    cp_async_commit();
  };

  if (first_key + kTileKeys > stored) dependencies_wait();
  load(problem.keys, Shared::kKeys, first_key);
  dependencies_wait();
  flash::load_queries<kHeadDim>(
      problem, rows, kv_head, group,
      [&](int place_pair, int channel, float(&v)[4]) {
        if constexpr (kMayBeQuantized) {
          if (problem.keys.is_quantized()) hadamard_block<exl3::kKvGroup / kLaneNumbers>(v);
        }
        const uint32_t place = Queries::offset(place_pair, channel / 8) + channel % 8 * 2;
        *reinterpret_cast<uint2*>(shared + Shared::kQueries + place) = {
            pack_halves(v[0], v[1]), pack_halves(v[2], v[3])
        };
      }
  );
  __syncwarp();
  const uint32_t query_tile = query_address<Queries>(tiles + Shared::kQueries);
  const uint32_t keys = key_address<Keys>(tiles + Shared::kKeys);
  const uint32_t values = value_address<Keys>(tiles + Shared::kValues);
  uint32_t queries[kSteps][4];
  if constexpr (!Shared::kQueriesStay) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      ldmatrix_x4(queries[step], Queries::behind(query_tile, 2 * step));
    }
  }

  const flash::LaneEnds ends = flash::find_ends(positions, group);
  flash::SoftmaxState states[2];
  float outputs[kHeadDim / 8][4] = {};
  for (int key = first_key; key <= positions.last; key += kTileKeys) {
    cp_async_wait<0>();
    __syncthreads();  // the keys have come; the values before them, or the queries, have been read
    load(problem.values, Shared::kValues, key);

    float scores[kKeyTiles][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if constexpr (Shared::kQueriesStay) {
        uint32_t a[4];
        ldmatrix_x4(a, Queries::behind(query_tile, 2 * step));
        add_scores<Keys>(scores, a, keys, step);
      } else {
        add_scores<Keys>(scores, queries[step], keys, step);
      }
    }
    if (!positions.all_see(key, kTileKeys)) flash::mask(scores, ends, positions.window, key);

    cp_async_wait<0>();
    __syncthreads();  // the values have come; the keys have been read
    if (key + kTileKeys <= positions.last) load(problem.keys, Shared::kKeys, key + kTileKeys);

    const float factors[2] = {
        flash::exponentiate(scores, 0, states[0]), flash::exponentiate(scores, 1, states[1])
    };
    flash::scale_outputs(outputs, factors);
    add_outputs<Keys>(outputs, scores, values);
  }

  flash::normalise(outputs, states);
  if constexpr (kMayBeQuantized) {
    if (problem.values.is_quantized()) rotate_back(outputs);
  }
  flash::store_outputs(problem, rows, kv_head, group, outputs);
}

template <int kHeadDim>
bool fits(const AttentionProblem& problem, int64_t shared_bytes) {
  return problem.head_dim == kHeadDim && SharedTiles<kHeadDim>::kBytes <= shared_bytes;
}

template <int kHeadDim>
void launch_for_type(cudaStream_t stream, const AttentionProblem& problem) {
  const int tile_rows = kTilePairs / (problem.heads / problem.kv_heads);
  const dim3 grid(
      static_cast<unsigned>(flash::num_row_tiles(problem, tile_rows)),
      static_cast<unsigned>(problem.kv_heads)
  );
  const LaunchShape shape = {grid, kThreads, SharedTiles<kHeadDim>::kBytes, true};
  if constexpr (kHeadDim % exl3::kKvGroup == 0) {
    if (problem.keys.is_quantized() || problem.values.is_quantized()) {
      return launch(stream, shape, flash_attention_kernel<kHeadDim, true>, problem);
    }
  }
  launch(stream, shape, flash_attention_kernel<kHeadDim, false>, problem);
}

}  // namespace

bool flash_attention_fits(const AttentionProblem& problem, int64_t shared_bytes) {
  const bool right_types = problem.keys.bits <= 16 && problem.values.bits <= 16;
  return right_types && problem.heads / problem.kv_heads <= kTilePairs &&
         (fits<64>(problem, shared_bytes) || fits<80>(problem, shared_bytes) ||
          fits<96>(problem, shared_bytes) || fits<128>(problem, shared_bytes) ||
          fits<256>(problem, shared_bytes));
}

void flash_attention(cudaStream_t stream, const AttentionProblem& problem) {
  switch (problem.head_dim) {
    case 64:
      return launch_for_type<64>(stream, problem);
    case 80:
      return launch_for_type<80>(stream, problem);
    case 96:
      return launch_for_type<96>(stream, problem);
    case 128:
      return launch_for_type<128>(stream, problem);
    default:
      return launch_for_type<256>(stream, problem);
  }
}

}  // namespace trellis::cuda
