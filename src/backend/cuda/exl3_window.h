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

/// The state of window `index` (0 to 31) of a run: what exl3::state_at() gives for step 32 g +
/// index of the tile.
template <int kBits>
TRELLIS_HD constexpr uint32_t window(const uint32_t (&run)[kBits], uint32_t before, int index) {
  const int end = (index + 1) * kBits;
  const int word = (end - 1) / 32;
  const int shift = 32 * (word + 1) - end;
  const uint32_t low = run[word];
  const uint32_t high = word > 0 ? run[word > 0 ? word - 1 : 0] : before;
  if (shift == 0) return low & 0xFFFFu;
  if (shift == 16) return low >> 16;
  if (shift < 16) {
    // Where K divides 16 one funnel shift serves the two windows that it holds.
    const uint32_t both =
        16 % kBits == 0 ? exl3::funnel_shift_right(high, low, shift) : low >> shift;
    return both & 0xFFFFu;
  }
  return exl3::funnel_shift_right(high, low, shift - 16) >> 16;
}

/// The column (0 to 15) and the input (0 to 15) inside the tile of window `index` of run g.
TRELLIS_HD constexpr int column_of_window(int run, int index) {
  return run + 8 * ((index >> 2) & 1);
}
TRELLIS_HD constexpr int input_of_window(int index) {
  return 2 * (index >> 3) + (index & 1) + 8 * ((index >> 1) & 1);
}

}  // namespace trellis::cuda
