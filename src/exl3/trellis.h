// The bit string of one 16x16 tile: 256 steps of `bits` bits each, cyclic (tail-biting). Which 16
// bits form the state of a step, and how states are packed. No stored start state: every string of
// 256 * bits bits is valid. docs/exl3.md draws it.
#pragma once

#include "base/host_device.h"

#include <cstdint>
#include <cstring>

namespace trellis::exl3 {

inline constexpr int kMinBits = 1;
inline constexpr int kMaxBits = 8;
inline constexpr int kStateBits = 16;
inline constexpr int kTileWeights = 256;

/// 32-bit words of one packed tile.
TRELLIS_HD constexpr int tile_words(int bits) {
  return kTileWeights * bits / 32;
}

/// Bytes of one packed tile.
TRELLIS_HD constexpr int tile_bytes(int bits) {
  return tile_words(bits) * 4;
}

/// The low 32 bits of (high:low) >> shift. shift: 0 to 31.
TRELLIS_HD constexpr uint32_t funnel_shift_right(uint32_t high, uint32_t low, int shift) {
  return static_cast<uint32_t>(((static_cast<uint64_t>(high) << 32) | low) >> shift);
}

/// The two words and the shift that hold a step's state:
/// state = funnel_shift_right(words[high], words[low], shift) & 0xFFFF. high may equal low.
struct StateWindow {
  int high;
  int low;
  int shift;
};

/// Where the state of a step lies in a tile of `bits` bits per weight. step: 0 to 255.
/// The state is the 16 bits of the cyclic string that end with the step's own bits.
TRELLIS_HD constexpr StateWindow state_window(int bits, int step) {
  const int num_words = tile_words(bits);
  const int end = (step + 1) * bits + kTileWeights * bits;  // a turn later: never negative
  const int low = (end - 1) / 32;
  const int high = (end - kStateBits) / 32;
  return {high % num_words, low % num_words, 32 * (low + 1) - end};
}

/// The 16-bit state of a step. words: the tile's tile_words(bits) little-endian 32-bit words, each
/// holding its stream bits from the most significant bit down.
TRELLIS_HD constexpr uint32_t state_at(const uint32_t* words, int bits, int step) {
  const StateWindow window = state_window(bits, step);
  return funnel_shift_right(words[window.high], words[window.low], window.shift) & 0xFFFFu;
}

/// Copies tile `index` of a packed matrix into aligned words. trellis may have any alignment.
inline void load_tile(const void* trellis, int64_t index, int bits, uint32_t* words) {
  const auto bytes = static_cast<size_t>(tile_bytes(bits));
  std::memcpy(words, static_cast<const char*>(trellis) + static_cast<size_t>(index) * bytes, bytes);
}

/// Packs 256 steps: words[tile_words(bits)] receives the low `bits` bits of each of states[256].
/// Unpacking gives the same states back if they form a tail-biting path.
TRELLIS_HD constexpr void pack_tile(const uint16_t* states, int bits, uint32_t* words) {
  const uint32_t mask = (1u << bits) - 1;
  uint64_t pending = 0;
  int num_pending = 0;
  int word = 0;
  for (int step = 0; step < kTileWeights; ++step) {
    pending = (pending << bits) | (states[step] & mask);
    num_pending += bits;
    if (num_pending >= 32) {
      num_pending -= 32;
      words[word++] = static_cast<uint32_t>(pending >> num_pending);
    }
  }
}

/// Whether every state follows from the one before it, the first from the last.
TRELLIS_HD constexpr bool is_tail_biting(const uint16_t* states, int bits) {
  for (int step = 0; step < kTileWeights; ++step) {
    const uint32_t before = states[(step + kTileWeights - 1) % kTileWeights];
    const uint32_t kept = (before << bits) & 0xFFFFu;
    if ((states[step] & ~((1u << bits) - 1) & 0xFFFFu) != kept) return false;
  }
  return true;
}

}  // namespace trellis::exl3
