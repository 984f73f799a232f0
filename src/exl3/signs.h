// Channel signs as old EXL3 files store them: one bit per channel instead of a half that carries
// sign and scale. Expanding them on load leaves one representation for everything after it.
#pragma once

#include "base/host_device.h"

#include <cstdint>

namespace trellis::exl3 {

inline constexpr uint16_t kHalfOne = 0x3C00;

/// The factor of a channel as an fp16 bit pattern, +1 or -1. sign_words: 16 channels per word,
/// channel 16 * w + i in bit i (least significant first), 1 = negative.
TRELLIS_HD constexpr uint16_t sign_of_channel(const uint16_t* sign_words, int64_t channel) {
  const uint32_t bit = (sign_words[channel / 16] >> (channel % 16)) & 1u;
  return static_cast<uint16_t>(kHalfOne | (bit << 15));
}

/// Expands the signs of num_channels channels into halves[num_channels].
TRELLIS_HD constexpr void expand_signs(
    const uint16_t* sign_words, int64_t num_channels, uint16_t* halves
) {
  for (int64_t channel = 0; channel < num_channels; ++channel) {
    halves[channel] = sign_of_channel(sign_words, channel);
  }
}

}  // namespace trellis::exl3
