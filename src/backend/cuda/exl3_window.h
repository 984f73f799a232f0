// The windows of a run: which 16 bits of a lane's words form the state of each of its 32 weights. A
// run is what lane 4 g + t of a warp owns of a tile: words g * K to g * K + K - 1, preceded by the
// last word of run g - 1 (cyclically). Everything but the words is known when it is compiled.
#pragma once

#include "base/host_device.h"
#include "exl3/trellis.h"

#include <cstdint>

namespace trellis::cuda {

/// Windows of one run.
inline constexpr int kRunWeights = 32;

/// 32 bits of a run with a window in their lower or upper half.
struct WindowWord {
  uint32_t bits;
  bool upper;
};

/// (high : low) >> shift, one instruction. shift: 0 to 31.
TRELLIS_HD inline uint32_t funnel_shift(uint32_t high, uint32_t low, int shift) {
#if defined(__CUDA_ARCH__)
  return __funnelshift_r(low, high, static_cast<unsigned>(shift));
#else
  return exl3::funnel_shift_right(high, low, shift);
#endif
}

/// Where window `index` (0 to 31) of a run lies.
template <int kBits>
TRELLIS_HD inline WindowWord window_word(const uint32_t (&run)[kBits], uint32_t before, int index) {
  const int end = (index + 1) * kBits;
  const int word = (end - 1) / 32;
  const int shift = 32 * (word + 1) - end;
  const uint32_t low = run[word];
  const uint32_t high = word > 0 ? run[word > 0 ? word - 1 : 0] : before;
  if (shift == 0) return {low, false};
  if (shift == 16) return {low, true};
  // Where K divides 16 one funnel shift serves the two windows that it holds.
  if (shift < 16) return {16 % kBits == 0 ? funnel_shift(high, low, shift) : low >> shift, false};
  return {funnel_shift(high, low, shift - 16), true};
}

/// The state of window `index` (0 to 31) of a run: what exl3::state_at() gives for step 32 g +
/// index of the tile.
template <int kBits>
TRELLIS_HD inline uint32_t window(const uint32_t (&run)[kBits], uint32_t before, int index) {
  const WindowWord found = window_word<kBits>(run, before, index);
  return found.upper ? found.bits >> 16 : found.bits & 0xFFFFu;
}

/// The column (0 to 15) and the input (0 to 15) inside the tile of window `index` of run g.
TRELLIS_HD constexpr int column_of_window(int run, int index) {
  return run + 8 * ((index >> 2) & 1);
}
TRELLIS_HD constexpr int input_of_window(int index) {
  return 2 * (index >> 3) + (index & 1) + 8 * ((index >> 1) & 1);
}

}  // namespace trellis::cuda
