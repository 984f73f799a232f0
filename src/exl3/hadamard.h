// The Walsh-Hadamard transform of a short block, H[a, b] = (-1)^popcount(a & b), in natural order.
// Linear layers rotate blocks of 128 channels with it, the quantized KV cache groups of 32.
// The order of the butterflies (stride 1, 2, 4, ...) is part of the format: it fixes the rounding.
#pragma once

#include "base/host_device.h"

#include <cstdint>

namespace trellis::exl3 {

inline constexpr int kHadamardBlock = 128;
/// 1 / sqrt(128), what makes the 128-point transform orthonormal.
inline constexpr float kHadamardScale = 0.088388347648f;

inline constexpr int kKvHadamardBlock = 32;
/// 1 / sqrt(32).
inline constexpr float kKvHadamardScale = 0.17677669529663688f;

/// Transforms values[Size] in place, without a scale: applied twice it multiplies by Size.
/// Size: a power of two. Values: float or double, `stride` elements apart.
template <int Size, typename Value>
TRELLIS_HD constexpr void hadamard(Value* values, int64_t stride = 1) {
  static_assert(Size > 0 && (Size & (Size - 1)) == 0, "the size must be a power of two");
  for (int half = 1; half < Size; half *= 2) {
    for (int block = 0; block < Size; block += 2 * half) {
      for (int index = block; index < block + half; ++index) {
        const Value low = values[index * stride];
        const Value high = values[(index + half) * stride];
        values[index * stride] = low + high;
        values[(index + half) * stride] = low - high;
      }
    }
  }
}

}  // namespace trellis::exl3
