// How the kernels for many rows divide a product over CTAs. Plain arithmetic.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace trellis::cuda {

/// The inputs of a product are summed in segments of so many chunks of the layout, by CTAs of their
/// own; whoever reads the sums adds them up, in the order of the inputs.
struct ProductSegments {
  int count = 1;
  int chunks = 0;  // of each; the last may have fewer

  bool operator==(const ProductSegments&) const = default;
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
inline int64_t most_product_segments(int64_t rows, int64_t inputs, int64_t columns) {
  constexpr int64_t kLeastInputs = 512;
  constexpr int64_t kWantedColumns = 16384;  // 128 tiles of 128 columns
  const int64_t least = (inputs + kMostSegmentInputs - 1) / kMostSegmentInputs;
  if (rows > kSegmentedRows) return least;
  const int64_t wanted = (kWantedColumns + columns / 2) / columns;
  return std::max(least, std::min(wanted, inputs / kLeastInputs));
}

/// chunks: along the inputs, of chunk_inputs each.
inline ProductSegments product_segments(
    int64_t rows, int64_t chunks, int64_t chunk_inputs, int64_t columns
) {
  const int64_t most = most_product_segments(rows, chunks * chunk_inputs, columns);
  const int64_t of_each = (chunks + most - 1) / most;
  return {static_cast<int>((chunks + of_each - 1) / of_each), static_cast<int>(of_each)};
}

/// wgmma needs a GPU of sm_90 and code for sm_90a, mma.sync any other.
enum class ProductKernel : uint8_t { kWgmma, kMma };

/// Columns of a group of four warps.
inline constexpr int kGroupColumns = 64;

/// What a CTA owns: so many rows, and kGroupColumns for each of its groups. No sum depends on it.
struct ProductTile {
  ProductKernel kernel = ProductKernel::kWgmma;
  int rows = 0;    // 64 or 128, by wgmma 256 too
  int groups = 0;  // 1 or 2, by mma.sync 2

  bool operator==(const ProductTile&) const = default;
};

/// The tile by mma.sync: as many rows as registers hold sums of, since weights are decoded for each
/// tile of rows.
inline ProductTile mma_tile(int64_t rows) {
  return {ProductKernel::kMma, rows <= 64 ? 64 : 128, 2};
}

/// The tile by wgmma for a product whose segments have so many inputs.
inline ProductTile wgmma_tile(
    int64_t rows, int64_t columns, int64_t segments, int64_t inputs, int num_sms
) {
  /// Clocks for 16 inputs of a CTA that has its SM to itself, and of one that shares it (only with
  /// 64 rows there is room for two): fitted to an H100.
  struct Candidate {
    int rows;
    int groups;
    int64_t alone;
    int64_t shared;
  };
  // Of equal ones the first: it decodes least often.
  constexpr std::array<Candidate, 6> kCandidates = {{
      {256, 2, 310, 310},
      {256, 1, 200, 200},
      {128, 2, 216, 216},
      {128, 1, 132, 132},
      {64, 2, 178, 165},
      {64, 1, 111, 100},
  }};
  constexpr int64_t kCtaClocks = 3500;  // in front of its products and behind them
  const int64_t slabs = (inputs + 15) / 16;
  ProductTile best;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const Candidate& candidate : kCandidates) {
    const int64_t row_tiles = (rows + candidate.rows - 1) / candidate.rows;
    const int64_t ctas = row_tiles * (columns / (kGroupColumns * candidate.groups)) * segments;
    const int64_t of_sm = (ctas + num_sms - 1) / num_sms;
    const int64_t clocks =
        of_sm * (slabs * (of_sm == 1 ? candidate.alone : candidate.shared) + kCtaClocks);
    if (clocks >= least) continue;
    least = clocks;
    best = {ProductKernel::kWgmma, candidate.rows, candidate.groups};
  }
  return best;
}

}  // namespace trellis::cuda
