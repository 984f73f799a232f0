// In which order this backend keeps the words of a trellis in memory: a permutation of the file's,
// so that every lane of a warp streams consecutive 16-byte pieces for every bit width. Pure
// arithmetic, tested on the host.
//
// A tile's 8K words are 8 runs of K words; run g holds the 32 windows of its columns g and g + 8.
// Of 64 inputs (four tiles) lane 4 g + t of a warp owns run g of tile t. A chunk is as many such
// steps as make a whole number of 16-byte pieces per lane, and belongs to a group of column tiles
// that one warp decodes together.
#pragma once

#include "base/host_device.h"
#include "exl3/tile_order.h"

#include <cstdint>

namespace trellis::cuda {

using exl3::kTileSize;
inline constexpr int kStepInputs = 64;  // four tiles

struct Exl3Layout {
  int bits = 0;
  int64_t in_tiles = 0;   // of the file: padded inputs / 16
  int64_t out_tiles = 0;  // padded outputs / 16

  /// Steps of 64 inputs in a chunk: enough to fill 16-byte pieces; two at 4 bits, which is faster
  /// than one (H200, 2 % of a 4096 x 4096 matrix).
  TRELLIS_HD static constexpr int steps_per_chunk(int bits) {
    return bits == 8 ? 1 : bits % 2 == 0 ? 2 : 4;
  }
  /// Column tiles in a group: 32 columns share a fragment of activations and divide well over many
  /// SMs. At 5 and 7 bits their chunks would fill the shared memory.
  TRELLIS_HD static constexpr int tiles_per_group(int bits) {
    return bits == 5 || bits == 7 ? 1 : 2;
  }
  TRELLIS_HD constexpr int chunk_inputs() const { return kStepInputs * steps_per_chunk(bits); }
  /// Chunks along the inputs; the last may reach beyond them, into zeros.
  TRELLIS_HD constexpr int64_t chunks() const {
    return (in_tiles * kTileSize + chunk_inputs() - 1) / chunk_inputs();
  }
  TRELLIS_HD constexpr int64_t groups() const { return out_tiles / tiles_per_group(bits); }
  /// 32-bit words of one chunk of one group.
  TRELLIS_HD constexpr int64_t chunk_words() const {
    return int64_t{32} * bits * steps_per_chunk(bits) * tiles_per_group(bits);
  }
  TRELLIS_HD constexpr int64_t words() const { return groups() * chunks() * chunk_words(); }

  /// Where word `word` (0 to 8 * bits - 1) of a tile lies.
  TRELLIS_HD constexpr int64_t place(int64_t in_tile, int64_t out_tile, int word) const {
    const int steps = steps_per_chunk(bits);
    const int64_t chunk = in_tile / (4 * steps);
    const auto step = static_cast<int>(in_tile / 4 % steps);
    const int tiles = tiles_per_group(bits);
    const auto tile = static_cast<int>(out_tile % tiles);
    const int lane = word / bits * 4 + static_cast<int>(in_tile % 4);
    const int of_lane = step * bits + word % bits;  // among the lane's words of this chunk and tile
    const int pieces = steps * bits / 4;
    const int64_t block = (out_tile / tiles * chunks() + chunk) * tiles + tile;
    return (block * pieces + of_lane / 4) * 128 + lane * 4 + of_lane % 4;
  }
};

}  // namespace trellis::cuda
