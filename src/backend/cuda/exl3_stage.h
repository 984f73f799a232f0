// In which order the tensor cores of an H100 want the activations of an EXL3 product: blocks of 64
// rows and 64 inputs, each as it has to lie in shared memory, so that one plain copy brings it.
// Pure arithmetic, tested on the host.
//
// A row of a block is eight pieces of eight halves. Pieces 2 s and 2 s + 1 meet windows 8 s to
// 8 s + 7 of the weights' runs, which lane 4 g + t has decoded from input tile t (exl3_window.h).
// The 128-byte swizzle of wgmma exchanges pieces by the row's number.
#pragma once

#include "backend/cuda/exl3_layout.h"

#include <cstdint>

namespace trellis::cuda {

inline constexpr int kStageRows = 64;
inline constexpr int kPieceHalves = 8;
inline constexpr int kStagePieces = kStepInputs / kPieceHalves;  // of a row
inline constexpr int kPieceBytes = kPieceHalves * 2;
inline constexpr int kStageRowBytes = kStagePieces * kPieceBytes;
inline constexpr int kStageBlockBytes = kStageRows * kStageRowBytes;

/// Which of 64 inputs stands at half `index` (0 to 7) of piece `piece` (0 to 7), before pieces are
/// exchanged.
TRELLIS_HD constexpr int input_of_stage(int piece, int index) {
  return kTileSize * (index / 2) + 2 * (piece / 2) + 8 * (piece % 2) + index % 2;
}

/// Where a piece of a row lies, in pieces. step: of 64 inputs, among `steps` of them.
TRELLIS_HD constexpr int64_t stage_place(int64_t row, int64_t step, int piece, int64_t steps) {
  const auto in_block = static_cast<int>(row % kStageRows);
  const int64_t block = row / kStageRows * steps + step;
  return (block * kStageRows + in_block) * kStagePieces + (piece ^ in_block % kStagePieces);
}

/// Halves that so many rows take: whole blocks.
TRELLIS_HD constexpr int64_t stage_halves(int64_t rows, int64_t steps) {
  return (rows + kStageRows - 1) / kStageRows * steps * kStageRows * kStepInputs;
}

}  // namespace trellis::cuda
