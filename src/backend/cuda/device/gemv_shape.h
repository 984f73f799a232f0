// The sizes of one instance of the GEMV kernel, all known when it is compiled: how much shared
// memory its parts take, and what a warp step is.
#pragma once

#include "backend/cuda/exl3_layout.h"
#include "exl3/codebook.h"

#include <algorithm>
#include <cstdint>

namespace trellis::cuda {

/// kRows: the most rows of a launch: 1, 4 or 8.
template <int kBits, exl3::Codebook kCodebook, int kRows>
struct GemvShape {
  static constexpr bool kIntegers = kCodebook == exl3::Codebook::kMul1;
  static constexpr int kWarps = 16;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kSteps = Exl3Layout::steps_per_chunk(kBits);
  static constexpr int kTiles = Exl3Layout::tiles_per_group(kBits);
  static constexpr int kGroupColumns = kTileSize * kTiles;

  // The ring of weights: each lane copies and reads its own 16-byte pieces.
  static constexpr int kSlotBytes = 128 * kBits * kSteps * kTiles;
  static constexpr int kPieces = kSlotBytes / 512;
  static constexpr int kSlots = std::clamp(96 * 1024 / (kWarps * kSlotBytes), 1, 6);
  static constexpr int kRingBytes = kWarps * kSlots * kSlotBytes;

  // Activations: columns of the B operand. Integers: each row has two planes, a residual beside the
  // rounded numbers; with up to four rows the planes share one set of eight columns.
  static constexpr int kPlanes = kIntegers ? 2 : 1;
  static constexpr int kSums = kPlanes * kRows;  // columns that mean something
  static constexpr int kSets = kSums > 8 ? 2 : 1;
  /// One row's numbers are stored as the instruction wants them, four or two times over.
  static constexpr bool kSplat = kRows == 1;
  static constexpr int kTileBytes = kSplat ? 64 : (kIntegers ? 16 : 32);
  static constexpr int kStepBytes = kSums * 4 * kTileBytes;  // of 64 inputs

  // Partial sums of the warps, of some groups at a time.
  static constexpr int kBatch = kRows == 1 ? 4 : 1;
  static constexpr int kSumStride = kGroupColumns + 4;
  static constexpr int kWarpSums = kSums * kSumStride;
  static constexpr int kSumBytes = kBatch * kWarps * kWarpSums * 4;

  /// What a launch asks for, and what the kernel declares besides: scales and sums of its rows.
  static constexpr int64_t dynamic_bytes(int64_t chunks) {
    return kRingBytes + kSumBytes + chunks * kSteps * kStepBytes;
  }
  static constexpr int64_t kStaticBytes = kRows * (12 + 8 * kWarps) + 32;
};

}  // namespace trellis::cuda
