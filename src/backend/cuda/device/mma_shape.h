// The sizes of one instance of the kernel for many rows by mma.sync, all known when it is compiled.
#pragma once

#include "backend/cuda/exl3_layout.h"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/product_tile.h"

#include <cstdint>

namespace trellis::cuda {

/// kRows: of a CTA's tile, 64 or 128. Each of its warps owns 16 columns.
template <int kBits, int kRows>
struct MmaShape {
  static constexpr int kWarps = 8;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int threads(int /*groups*/) { return kThreads; }

  // The ring of activations: stages of 64 inputs of all rows. Two CTAs of an SM have 100 KiB where
  // an SM has least.
  static constexpr int kStageBytes = kRows / kStageRows * kStageBlockBytes;
  static constexpr int kStages = kRows == 64 ? 4 : 3;
  static constexpr int shared_bytes(int /*groups*/) { return kStages * kStageBytes; }

  // A lane's words of a chunk, in pieces of 16 bytes.
  static constexpr int kSteps = Exl3Layout::steps_per_chunk(kBits);
  static constexpr int kTiles = Exl3Layout::tiles_per_group(kBits);
  static constexpr int kPieces = kBits * kSteps / 4;
  static constexpr int kChunkBytes = kPieces * 512;

  /// At 1 bit, where steps have most windows of a word, and at 7, where a chunk has 28 words, sums
  /// of 128 rows leave no registers for a second CTA.
  static constexpr int kCtasPerSm = kRows == 128 && (kBits == 1 || kBits == 7) ? 1 : 2;
};

}  // namespace trellis::cuda
