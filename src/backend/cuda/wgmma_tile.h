// How the kernel for many rows divides a product over CTAs. Plain arithmetic: the bits of a row do
// not depend on it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace trellis::cuda {

/// What a CTA owns: so many rows, and 64 columns for each of its warpgroups.
struct WgmmaTile {
  int rows = 0;         // 64, 128 or 256
  int groups = 0;       // 1 or 2
  bool spread = false;  // whether it does one segment of the inputs, instead of all in turn

  bool operator==(const WgmmaTile&) const = default;
};

/// Inputs are summed in so many segments, whatever the tile: few, since a CTA that does all of them
/// adds its sums to memory in between.
inline int wgmma_segments(int64_t inputs) {
  constexpr int64_t kMostInputs = 8192;
  return static_cast<int>((inputs + kMostInputs - 1) / kMostInputs);
}

/// An estimate of the clocks that a product takes for every 16 inputs of a segment. The SM with
/// most CTAs shares its tensor cores (half a clock a row and warpgroup), its issue slots, and its
/// way to L2 (32 bytes of activations a row and CTA at 37 a clock) among them. From the rates of an
/// H200, not fitted.
inline int64_t estimated_clocks(
    const WgmmaTile& tile, int64_t rows, int64_t columns, int segments, int num_sms
) {
  // 16 inputs of 64 columns, decoded by a warpgroup whose gaps others fill; what a warpgroup waits
  // for its own instructions; what a CTA loses, whatever its size; and adding segments up.
  constexpr int64_t kDecodeClocks = 44;
  constexpr int64_t kLatencyClocks = 60;
  constexpr int64_t kCtaClocks = 8;
  constexpr int64_t kAddClocks = 16;
  const int64_t row_tiles = (rows + tile.rows - 1) / tile.rows;
  const int64_t ctas = row_tiles * (columns / (64 * tile.groups)) * (tile.spread ? segments : 1);
  const int64_t most_ctas = (ctas + num_sms - 1) / num_sms;
  const int64_t multiply = tile.rows / 2;
  const int64_t fetch = int64_t{tile.rows} * 32 / 37;
  const int64_t of_cta = std::max(tile.groups * std::max(multiply, kDecodeClocks), fetch);
  const int64_t clocks = std::max(most_ctas * (of_cta + kCtaClocks), multiply + kLatencyClocks);
  return tile.spread ? clocks + kAddClocks : clocks * segments;
}

/// The tile for a product of so many rows and columns, of all matrices of a launch.
inline WgmmaTile wgmma_tile(int64_t rows, int64_t columns, int segments, int num_sms) {
  // Of equal ones the first: it decodes least often.
  constexpr std::array<WgmmaTile, 6> kTiles = {
      {{256, 2}, {256, 1}, {128, 2}, {128, 1}, {64, 1}, {64, 2}}
  };
  WgmmaTile best;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const bool spread : {false, true}) {
    if (spread && segments == 1) continue;
    for (WgmmaTile tile : kTiles) {
      tile.spread = spread;
      const int64_t clocks = estimated_clocks(tile, rows, columns, segments, num_sms);
      if (clocks >= least) continue;
      least = clocks;
      best = tile;
    }
  }
  return best;
}

}  // namespace trellis::cuda
