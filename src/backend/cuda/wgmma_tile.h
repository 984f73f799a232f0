// How the kernel for many rows divides a product over CTAs. Plain arithmetic.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace trellis::cuda {

/// The inputs of a product are summed in segments of so many chunks of the layout, by CTAs of their
/// own; whoever reads the sums adds them up, in the order of the inputs.
struct WgmmaSegments {
  int count = 1;
  int chunks = 0;  // of each; the last may have fewer

  bool operator==(const WgmmaSegments&) const = default;
};

/// Up to so many rows a product with few columns is cut into more segments, since it has too few
/// tiles for a GPU, and its sums are left in fp32; with more they are left in fp16. So a row's bits
/// depend on whether its call has more.
inline constexpr int64_t kSegmentedRows = 64;

/// Inputs of a segment, but for what completes a chunk of the layout. Activations are at most 1 in
/// units of their row and weights below 4 (exl3/codebook.h), so a sum of twice as many still fits
/// fp16, whose largest number is 65504.
inline constexpr int64_t kMostSegmentInputs = 8192;

/// The most segments of a product of so many inputs and columns (those of all matrices of a
/// launch).
inline int64_t most_wgmma_segments(int64_t rows, int64_t inputs, int64_t columns) {
  constexpr int64_t kLeastInputs = 512;
  constexpr int64_t kWantedColumns = 16384;  // 128 tiles of 128 columns
  const int64_t least = (inputs + kMostSegmentInputs - 1) / kMostSegmentInputs;
  if (rows > kSegmentedRows) return least;
  const int64_t wanted = (kWantedColumns + columns / 2) / columns;
  return std::max(least, std::min(wanted, inputs / kLeastInputs));
}

/// chunks: along the inputs, of chunk_inputs each.
inline WgmmaSegments wgmma_segments(
    int64_t rows, int64_t chunks, int64_t chunk_inputs, int64_t columns
) {
  const int64_t most = most_wgmma_segments(rows, chunks * chunk_inputs, columns);
  const int64_t of_each = (chunks + most - 1) / most;
  return {static_cast<int>((chunks + of_each - 1) / of_each), static_cast<int>(of_each)};
}

/// What a CTA owns: so many rows, and 64 columns for each of its warpgroups. No sum depends on it.
struct WgmmaTile {
  int rows = 0;    // 64, 128 or 256
  int groups = 0;  // 1 or 2

  bool operator==(const WgmmaTile&) const = default;
};

/// The tile for a product whose segments have so many inputs.
inline WgmmaTile wgmma_tile(
    int64_t rows, int64_t columns, int64_t segments, int64_t inputs, int num_sms
) {
  /// Clocks for 16 inputs of a CTA that has its SM to itself, and of one that shares it (only with
  /// 64 rows there is room for two): fitted to an H100.
  struct Candidate {
    WgmmaTile tile;
    int64_t alone;
    int64_t shared;
  };
  // Of equal ones the first: it decodes least often.
  constexpr std::array<Candidate, 6> kCandidates = {{
      {{256, 2}, 310, 310},
      {{256, 1}, 200, 200},
      {{128, 2}, 216, 216},
      {{128, 1}, 132, 132},
      {{64, 2}, 178, 165},
      {{64, 1}, 111, 100},
  }};
  constexpr int64_t kCtaClocks = 3500;  // in front of its products and behind them
  const int64_t slabs = (inputs + 15) / 16;
  WgmmaTile best;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const Candidate& candidate : kCandidates) {
    const WgmmaTile& tile = candidate.tile;
    const int64_t row_tiles = (rows + tile.rows - 1) / tile.rows;
    const int64_t ctas = row_tiles * (columns / (64 * tile.groups)) * segments;
    const int64_t of_sm = (ctas + num_sms - 1) / num_sms;
    const int64_t clocks =
        of_sm * (slabs * (of_sm == 1 ? candidate.alone : candidate.shared) + kCtaClocks);
    if (clocks >= least) continue;
    least = clocks;
    best = tile;
  }
  return best;
}

}  // namespace trellis::cuda
