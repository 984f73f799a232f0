// The sizes of one instance of the kernel for many rows, all known when it is compiled.
#pragma once

#include "backend/cuda/exl3_layout.h"
#include "backend/cuda/exl3_stage.h"

#include <algorithm>
#include <cstdint>

namespace trellis::cuda {

/// kRows: of a CTA's tile, 64, 128 or 256. One or two of its warpgroups own 64 columns each; one
/// more copies.
template <int kBits, int kRows>
struct WgmmaShape {
  static constexpr int kGroupWarps = 4;
  static constexpr int kMostGroups = 2;
  static constexpr int threads(int groups) { return (groups + 1) * kGroupWarps * 32; }

  // The ring of activations: stages of 64 inputs of all rows, which the warpgroups share.
  static constexpr int kStageBlocks = kRows / kStageRows;
  static constexpr int kStageBytes = kStageBlocks * kStageBlockBytes;
  static constexpr int kStages = kRows == 64 ? 7 : 4;

  // The rings of weights, one for each warp: each lane copies and reads its own 16-byte pieces.
  static constexpr int kSteps = Exl3Layout::steps_per_chunk(kBits);
  static constexpr int kTiles = Exl3Layout::tiles_per_group(kBits);
  static constexpr int kSlotBytes = 128 * kBits * kSteps;
  static constexpr int kPieces = kSlotBytes / 512;
  static constexpr int kSlots = std::clamp((kRows == 256 ? 8192 : 6144) / kSlotBytes, 2, 8);
  static constexpr int kRingBytes = kSlots * kSlotBytes;

  // Dynamic shared memory: stages, rings, and for every stage a barrier of its arrival and one of
  // its release.
  static constexpr int kRingOffset = kStages * kStageBytes;
  static constexpr int barrier_offset(int groups) {
    return kRingOffset + groups * kGroupWarps * kRingBytes;
  }
  static constexpr int shared_bytes(int groups) { return barrier_offset(groups) + kStages * 16; }

  /// With few rows a CTA leaves room for another, whose decoding fills this one's gaps. An SM has
  /// 228 KiB, of which a CTA takes one more than it asks for; at 7 bits registers are too few.
  static constexpr bool kRoomForTwo = 2 * (shared_bytes(kMostGroups) + 1024) <= 228 * 1024;
  static constexpr int kCtasPerSm = kRoomForTwo && kRows == 64 && kBits != 7 ? 2 : 1;

  // Registers of a thread (multiples of 8): when a CTA begins, and what becomes of them.
  static constexpr int kRegisters = 65536 / (kCtasPerSm * threads(kMostGroups)) / 8 * 8;
  static constexpr int kCopyingRegisters = kCtasPerSm == 1 ? 40 : 24;
  static constexpr int kMultiplyingRegisters =
      kRegisters + (kRegisters - kCopyingRegisters) / kMostGroups / 8 * 8;
};

}  // namespace trellis::cuda
