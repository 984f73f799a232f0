// Widening halves in loops: the same numbers as base/half.h, in a form that compilers vectorise.
#pragma once

#include <bit>
#include <cstdint>

namespace simt {

/// Exact for all but NaN payloads.
inline float widen_half(uint16_t bits) {
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFFu) << 13;
  // The exponent is 112 too small; as a product this is right for subnormals too.
  float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t infinite = (bits & 0x7C00u) == 0x7C00u ? 0x7F800000u : 0u;
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | infinite | sign);
}

}  // namespace simt
