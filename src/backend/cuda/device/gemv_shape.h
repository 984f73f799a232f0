// The sizes of one instance of the GEMV kernel: how much shared memory its parts take, what a warp
// step is, and how the memory of a device is shared out between weights and activations.
#pragma once

#include "backend/cuda/exl3_layout.h"
#include "exl3/codebook.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace trellis::cuda {

/// Whether a kernel may start before the one in front has ended (programmatic dependent launch).
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
inline constexpr bool kKernelsOverlap = false;
#else
inline constexpr bool kKernelsOverlap = true;
#endif

/// Inputs up to which the sums of a column stay inside 32 bits.
inline constexpr int64_t kMostGemvInputs = 16384;

/// What a row's rounded inputs are in units of, in shared memory.
struct GemvScales {
  static constexpr int kMostBlocks = static_cast<int>(kMostGemvInputs / 128);

  float blocks[kMostBlocks];  // of each 128 inputs
  float unit;                 // the largest of them
};

/// How a CTA uses its shared memory.
struct GemvMemory {
  int slots = 0;   // of the ring: kMostSlots, 2 or 1
  int window = 0;  // chunks of inputs whose activations it holds at a time
};

/// kRows: the most rows of a launch: 1, 4 or 8.
template <int kBits, exl3::Codebook kCodebook, int kRows>
struct GemvShape {
  static constexpr bool kIntegers = kCodebook == exl3::Codebook::kMul1;
  static constexpr int kWarps = 16;
  static constexpr int kThreads = kWarps * 32;
  /// What registers are shared out for: with fewer than all of them the small kernels between two
  /// products start beside this one. Two sets of sums, and the windows of one bit, need them all.
  static constexpr int kBoundThreads =
      !kKernelsOverlap || kBits == 1 || (kIntegers && kRows > 4) ? kThreads : 640;
  static constexpr int kSteps = Exl3Layout::steps_per_chunk(kBits);
  static constexpr int kTiles = Exl3Layout::tiles_per_group(kBits);
  static constexpr int kGroupColumns = kTileSize * kTiles;

  // The ring of weights: each lane copies and reads its own 16-byte pieces.
  static constexpr int kSlotBytes = 128 * kBits * kSteps * kTiles;
  static constexpr int kPieces = kSlotBytes / 512;
  static constexpr int kMostSlots = std::clamp(96 * 1024 / (kWarps * kSlotBytes), 1, 6);

  // Activations: columns of the B operand. Integers: each row has two planes, the upper and the
  // lower bytes; with up to four rows the planes share one set of eight columns.
  static constexpr int kPlanes = kIntegers ? 2 : 1;
  /// What the largest number of a row becomes: 127 * 256 in two planes of bytes, or 1.
  static constexpr float kLargest = kIntegers ? 32512.0f : 1.0f;
  static constexpr int kSums = kPlanes * kRows;  // columns that mean something
  static constexpr int kSets = kSums > 8 ? 2 : 1;
  /// One row's numbers are stored as the instruction wants them, four or two times over.
  static constexpr bool kSplat = kRows == 1;
  static constexpr int kTileBytes = kSplat ? 64 : (kIntegers ? 16 : 32);
  static constexpr int kStepBytes = kSums * 4 * kTileBytes;  // of 64 inputs
  /// Pieces of eight that a lane fetches at once: as many as registers allow.
  static constexpr int kFetched = kRows == 1 && kTiles == 2 && kBits != 4 ? 2 : 4;

  // Partial sums of the warps, of some groups at a time.
  static constexpr int kBatch = kRows == 1 ? 4 : 1;
  static constexpr int kSumStride = kGroupColumns + 4;
  static constexpr int kWarpSums = kSums * kSumStride;
  static constexpr int kSumBytes = kBatch * kWarps * kWarpSums * 4;

  static constexpr int64_t kChunkBytes = int64_t{kSteps} * kStepBytes;  // of activations
  /// What the kernel declares besides: scales and sums of its rows.
  static constexpr int64_t kStaticBytes = kRows * (sizeof(GemvScales) + 12 + 8 * kWarps) + 32;

  static constexpr int64_t ring_bytes(int slots) { return int64_t{kWarps} * slots * kSlotBytes; }
  static constexpr int64_t dynamic_bytes(const GemvMemory& memory) {
    return ring_bytes(memory.slots) + kSumBytes + memory.window * kChunkBytes;
  }

  /// How a CTA with shared_limit bytes holds `chunks` chunks of inputs: all of them, if need be
  /// beside a ring of two slots; else as many turns of the warps as fit at a time. A ring of one
  /// slot, which waits for the memory, only where nothing else fits; no slots where not even that.
  static constexpr GemvMemory memory(int64_t chunks, int64_t shared_limit) {
    const auto room = [&](int slots) {
      return (shared_limit - kStaticBytes - kSumBytes - ring_bytes(slots)) / kChunkBytes;
    };
    // In full: the code that nvcc hands to the host's compiler has lost what std::array deduces.
    constexpr std::array<std::array<int, 2>, 2> kRings = {
        {{kMostSlots, std::min(2, kMostSlots)}, {1, 1}}
    };
    for (const std::array<int, 2>& rings : kRings) {
      for (const int slots : rings) {
        if (room(slots) >= chunks) return {slots, static_cast<int>(chunks)};
      }
      for (const int slots : rings) {
        const int64_t turns = room(slots) / kWarps;
        if (turns > 0) return {slots, static_cast<int>(turns) * kWarps};
      }
    }
    return {};
  }
};

}  // namespace trellis::cuda
