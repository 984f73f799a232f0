// softmax(scale * q K^T) V by wgmma, many rows of a sequence at a time. Source: Shah et al. 2024
// (FlashAttention-3); fp16 operands, sums in fp32.
//
// A CTA owns 128 pairs of a row of one sequence and a query head of one kv head's group, and walks
// over the keys that they see, 128 at a time. Two warpgroups multiply, 64 pairs each; the warps of
// a third copy, two of them keys and two values, through rings of three tiles, and leave most of
// their registers to the others.
//
// A warpgroup starts the scores of a tile and behind them the outputs of the tile before, and turns
// scores into weights while the tensor cores compute outputs. The two take turns in starting
// products, so that those of one go on while the other computes weights. CTAs with the most keys
// start first, those of all kv heads side by side.
//
// What is rounded: queries, scaled by scale * log2(e), and the exponentials of a tile, to fp16, as
// in flash_attention.cu. A row's order of summation is its position's alone, as there, but in tiles
// of keys that begin at multiples of 128.
//
// Traffic: keys and values once per 128 pairs, from L2 where CTAs beside each other share them.
// Bound by the tensor cores: 2048 clocks for a tile of keys with heads of 128, beside which the
// exponentials take 1024. On an H200 they are in use 64 % of the time behind 8k keys, and 38 % with
// a prompt of 2,048, where a CTA has few tiles between its queries and its outputs.
//
// Tried and lost: waiting for the outputs behind the start of the next scores, which would let them
// be scaled beside those (ptxas 13.0 then serializes all products, C7514).
#include "backend/args.h"
#include "backend/cuda/device/flash_tile.cuh"
#include "backend/cuda/device/half_tile.cuh"
#include "backend/cuda/device/launch.h"
#include "backend/cuda/device/wgmma_ring.cuh"
#include "backend/cuda/kernels/flash_wgmma.h"

namespace trellis::cuda {
namespace {

constexpr int kGroupWarps = 4;  // of a warpgroup
constexpr int kMultiplyingWarps = 2 * kGroupWarps;
constexpr int kThreads = (kMultiplyingWarps + kGroupWarps) * kWarp;
constexpr int kGroupPairs = kGroupWarps * flash::kWarpPairs;
constexpr int kTilePairs = kMultiplyingWarps * flash::kWarpPairs;
constexpr int kTileKeys = 128;
constexpr int kKeySteps = kTileKeys / 16;  // of a product's 16 inputs
constexpr int kStages = 3;                 // of keys, and of values
constexpr int kCopyingWarps = 2;           // of keys, and of values

// Registers of a thread, of 168 when a CTA begins.
constexpr int kCopyingRegisters = 40;
constexpr int kMultiplyingRegisters = 232;

static_assert(kPageTokens % kTileKeys == 0, "a tile of keys lies in one page");

/// 64 channels of the rows of a tile: lines of an operand of wgmma. A tile has one or two of them,
/// one after the other.
constexpr int kBlockChannels = 64;
using Block = HalfTile<kTileKeys, kBlockChannels>;
static_assert(kTilePairs == kTileKeys, "queries are a tile like any");

/// Dynamic shared memory.
template <int kHeadDim>
struct SharedTiles {
  static constexpr int kTileBytes = kHeadDim / kBlockChannels * Block::kBytes;
  static constexpr int kQueries = 0;
  static constexpr int kKeys = kQueries + kTileBytes;
  static constexpr int kValues = kKeys + kStages * kTileBytes;
  static constexpr int kBarriers = kValues + kStages * kTileBytes;
  static constexpr int kBytes = kBarriers + (4 * kStages + 3) * 8;
};

/// Whose tiles a ring holds.
constexpr int kKeySide = 0;
constexpr int kValueSide = 1;

/// The barriers of a CTA.
struct Barriers {
  uint32_t first;

  /// A tile of keys or values has come, or has been read by all.
  __device__ __forceinline__ uint32_t arrived(int side, int stage) const {
    return first + (side * kStages + stage) * 16;
  }
  __device__ __forceinline__ uint32_t released(int side, int stage) const {
    return arrived(side, stage) + 8;
  }
  /// It is the turn of a multiplying warpgroup to start products.
  __device__ __forceinline__ uint32_t turn(int warpgroup) const {
    return first + (4 * kStages + warpgroup) * 8;
  }
  /// The queries are in shared memory.
  __device__ __forceinline__ uint32_t queries() const { return first + (4 * kStages + 2) * 8; }

  __device__ __forceinline__ void init() const {
    for (int side = 0; side < 2; ++side) {
      for (int stage = 0; stage < kStages; ++stage) {
        mbarrier_init(arrived(side, stage), kCopyingWarps);
        mbarrier_init(released(side, stage), kMultiplyingWarps);
      }
    }
    mbarrier_init(turn(0), kGroupWarps);
    mbarrier_init(turn(1), kGroupWarps);
    mbarrier_init(queries(), kMultiplyingWarps);
  }
};

/// All lanes of a warp are ready: it arrives.
__device__ __forceinline__ void warp_arrive(uint32_t barrier) {
  __syncwarp();
  if (threadIdx.x % kWarp == 0) mbarrier_arrive(barrier);
}

using Position = wgmma::RingPosition<kStages>;

/// Starts copying the calling warp's share of a tile of a side: `count` rows, zeros behind them.
template <int kHeadDim>
__device__ __forceinline__ void copy_tile(uint32_t tile, const __half* rows, int count) {
  // A thread owns a piece of the blocks of every kPassRows-th row; they are swapped alike.
  constexpr int kPassRows = kCopyingWarps * kWarp / Block::kPieces;
  static_assert(kPassRows % 8 == 0, "rows of a thread are swapped alike");
  const int thread = thread_index() % (kCopyingWarps * kWarp);
  const int own_row = thread / Block::kPieces;
  const int own_piece = thread % Block::kPieces;
  const uint32_t own = tile + Block::offset(own_row, own_piece);
  const __half* source = rows + own_row * kHeadDim + own_piece * 8;
#pragma unroll
  for (int row = 0; row < kTileKeys; row += kPassRows) {
#pragma unroll
    for (int block = 0; block < kHeadDim / kBlockChannels; ++block) {
      cp_async_16_zero(
          own + block * Block::kBytes + row * Block::kRowBytes,
          source + row * kHeadDim + block * kBlockChannels, own_row + row < count
      );
    }
  }
}

/// Starts scores = queries of 64 pairs times the keys of a tile.
template <int kHeadDim>
__device__ __forceinline__ void start_scores(
    float (&scores)[kTileKeys / 8][4], uint64_t queries, uint64_t keys
) {
  constexpr int kLineSteps = kBlockChannels / 16;
  wgmma_m64n128k16_f16_shared<false>(scores, queries, keys);
#pragma unroll
  for (int step = 1; step < kHeadDim / 16; ++step) {
    const int place = step / kLineSteps * Block::kBytes + step % kLineSteps * 32;
    wgmma_m64n128k16_f16_shared<true>(
        scores, wgmma::behind(queries, place), wgmma::behind(keys, place)
    );
  }
  wgmma_commit();
}

/// Starts outputs += weights of the keys of a tile times their values.
template <int kTiles>
__device__ __forceinline__ void start_outputs(
    float (&outputs)[kTiles][4], const uint32_t (&weights)[kKeySteps][4], uint64_t values
) {
#pragma unroll
  for (int step = 0; step < kKeySteps; ++step) {
    const uint64_t rows = wgmma::behind(values, step * 16 * Block::kRowBytes);
    if constexpr (kTiles == 8) wgmma_m64n64k16_f16_n_major(outputs, weights[step], rows);
    if constexpr (kTiles == 16) wgmma_m64n128k16_f16_n_major(outputs, weights[step], rows);
  }
  wgmma_commit();
}

/// Accumulators of scores are, in pairs of eight keys, the A fragments of the weights.
__device__ __forceinline__ void pack_weights(
    uint32_t (&weights)[kKeySteps][4], const float (&scores)[kTileKeys / 8][4]
) {
#pragma unroll
  for (int step = 0; step < kKeySteps; ++step) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const float(&fragment)[4] = scores[2 * step + r / 2];
      weights[step][r] = pack_halves(fragment[r % 2 * 2], fragment[r % 2 * 2 + 1]);
    }
  }
}

/// kHeadDim: the problem's head_dim.
template <int kHeadDim>
__global__ void __launch_bounds__(kThreads, 1)
    flash_wgmma_kernel(const __grid_constant__ AttentionProblem problem) {
  if constexpr (kHasWgmma) {
    using Shared = SharedTiles<kHeadDim>;
    TRELLIS_DYNAMIC_SHARED(shared);
    dependents_launch();
    const int group = problem.heads / problem.kv_heads;
    const int place = static_cast<int>(gridDim.x - 1 - blockIdx.x);
    const int kv_head = place % problem.kv_heads;
    const flash::RowTile rows = flash::find_rows(
        problem.row_begin, problem.num_sequences, place / problem.kv_heads, kTilePairs / group
    );
    if (rows.rows <= 0) return;

    const uint32_t tiles = shared_address(shared);
    const Barriers barriers = {tiles + Shared::kBarriers};
    if (threadIdx.x == 0) barriers.init();
    __syncthreads();
    const int warp = warp_index();
    const flash::RowPositions positions = flash::find_positions(problem, rows);
    dependencies_wait();
    const int first_key = positions.first_tile(kTileKeys);
    if (warp >= kMultiplyingWarps) {
      release_registers<kCopyingRegisters>();
      const int side = (warp - kMultiplyingWarps) / kCopyingWarps;
      const __half* numbers = static_cast<const __half*>(
          side == kKeySide ? problem.keys.numbers : problem.values.numbers
      );
      const uint32_t ring = tiles + (side == kKeySide ? Shared::kKeys : Shared::kValues);
      const int32_t* pages = problem.page_table + rows.sequence * problem.max_pages;
      Position write;
#pragma unroll 1
      for (int key = first_key; key <= positions.last; key += kTileKeys) {
        const int64_t page = pages[key / kPageTokens];
        const int64_t row = (page * problem.kv_heads + kv_head) * kPageTokens + key % kPageTokens;
        // The first round finds its stages empty: the phase before the first counts as over.
        wgmma::wait_for_phase(barriers.released(side, write.stage), write.parity ^ 1u);
        copy_tile<kHeadDim>(
            ring + write.stage * Shared::kTileBytes, numbers + row * kHeadDim,
            positions.last - key + 1
        );
        cp_async_commit();
        cp_async_wait<0>();
        fence_proxy_async();
        warp_arrive(barriers.arrived(side, write.stage));
        write.advance();
      }
      return;
    }
    acquire_registers<kMultiplyingRegisters>();

    const int warpgroup = warp / kGroupWarps;
    flash::load_queries<kHeadDim>(
        problem, rows, kv_head, group,
        [&](int pair, int channel, const float(&v)[4]) {
          const uint32_t place = channel / kBlockChannels * Block::kBytes +
                                 Block::offset(pair, channel % kBlockChannels / 8) +
                                 channel % 8 * 2;
          *reinterpret_cast<uint2*>(shared + Shared::kQueries + place) = {
              pack_halves(v[0], v[1]), pack_halves(v[2], v[3])
          };
        }
    );
    fence_proxy_async();
    warp_arrive(barriers.queries());
    wgmma::wait_for_phase(barriers.queries(), 0);
    const uint64_t queries =
        wgmma::operand(tiles + Shared::kQueries + warpgroup * kGroupPairs * Block::kRowBytes);
    const auto keys_at = [&](int stage) {
      return wgmma::operand(tiles + Shared::kKeys + stage * Shared::kTileBytes);
    };
    const auto values_at = [&](int stage) {
      return wgmma::operand(tiles + Shared::kValues + stage * Shared::kTileBytes, Block::kBytes);
    };

    const flash::LaneEnds ends = flash::find_ends(positions, group);
    flash::SoftmaxState states[2];
    float factors[2];
    float scores[kTileKeys / 8][4];
    float outputs[kHeadDim / 8][4] = {};
    uint32_t weights[kKeySteps][4];
    const auto exponentiate = [&](int key) {
      if (!positions.all_see(key, kTileKeys)) flash::mask(scores, ends, positions.window, key);
      factors[0] = flash::exponentiate(scores, 0, states[0]);
      factors[1] = flash::exponentiate(scores, 1, states[1]);
    };

    Position read_keys;
    Position read_values;
    wgmma::wait_for_phase(barriers.arrived(kKeySide, 0), 0);
    wgmma_fence();
    start_scores<kHeadDim>(scores, queries, keys_at(0));
    wgmma_wait<0>();
    wgmma_hold(scores);
    warp_arrive(barriers.released(kKeySide, 0));
    read_keys.advance();
    exponentiate(first_key);
    pack_weights(weights, scores);
    wgmma::wait_for_phase(barriers.arrived(kValueSide, 0), 0);
    uint32_t turn_parity = warpgroup == 0 ? 1 : 0;  // nobody is before the first turn
#pragma unroll 1
    for (int key = first_key + kTileKeys; key <= positions.last; key += kTileKeys) {
      wgmma::wait_for_phase(barriers.arrived(kKeySide, read_keys.stage), read_keys.parity);
      wgmma::wait_for_phase(barriers.turn(warpgroup), turn_parity);
      turn_parity ^= 1u;
      wgmma_fence();
      start_scores<kHeadDim>(scores, queries, keys_at(read_keys.stage));
      start_outputs(outputs, weights, values_at(read_values.stage));
      warp_arrive(barriers.turn(1 - warpgroup));
      wgmma_wait<1>();
      wgmma_hold(scores);
      warp_arrive(barriers.released(kKeySide, read_keys.stage));
      read_keys.advance();
      exponentiate(key);
      wgmma_hold(scores);
      const uint32_t values_read = barriers.released(kValueSide, read_values.stage);
      read_values.advance();
      // The values of these weights. Only a branch, as this wait has one, keeps ptxas from moving
      // the exponentials behind the wait for the outputs of the tile before.
      wgmma::wait_for_phase(barriers.arrived(kValueSide, read_values.stage), read_values.parity);
      wgmma_wait<0>();
      wgmma_hold(outputs);
      warp_arrive(values_read);
      flash::scale_outputs(outputs, factors);
      pack_weights(weights, scores);
    }
    wgmma_fence();
    start_outputs(outputs, weights, values_at(read_values.stage));
    wgmma_wait<0>();
    wgmma_hold(outputs);
    flash::normalise(outputs, states);
    flash::store_outputs(problem, rows, kv_head, group, outputs);
  }
}

template <int kHeadDim>
void launch_for_heads(cudaStream_t stream, const AttentionProblem& problem) {
  const int tile_rows = kTilePairs / (problem.heads / problem.kv_heads);
  const auto ctas =
      static_cast<unsigned>(flash::num_row_tiles(problem, tile_rows) * problem.kv_heads);
  const LaunchShape shape = {ctas, kThreads, SharedTiles<kHeadDim>::kBytes, true};
  launch(stream, shape, flash_wgmma_kernel<kHeadDim>, problem);
}

}  // namespace

bool flash_wgmma_fits(const AttentionProblem& problem, int64_t shared_bytes) {
  const bool right_types = problem.keys.bits == 16 && problem.values.bits == 16;
  return right_types && problem.heads / problem.kv_heads <= kTilePairs &&
         ((problem.head_dim == 64 && SharedTiles<64>::kBytes <= shared_bytes) ||
          (problem.head_dim == 128 && SharedTiles<128>::kBytes <= shared_bytes));
}

void flash_wgmma(cudaStream_t stream, const AttentionProblem& problem) {
  if (problem.head_dim == 64) return launch_for_heads<64>(stream, problem);
  launch_for_heads<128>(stream, problem);
}

}  // namespace trellis::cuda
