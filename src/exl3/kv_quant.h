// How the quantized KV cache stores a group of 32 channels: rotated, scaled by its largest
// magnitude, rounded to a midrise grid of 2 to 8 bits, packed in bit planes, with one fp16 scale.
// Pure math on one group; cache/ owns the memory, backends have their own loops.
#pragma once

#include "base/half.h"
#include "base/host_device.h"
#include "exl3/hadamard.h"

#include <cmath>
#include <cstdint>

namespace trellis::exl3 {

inline constexpr int kKvGroup = kKvHadamardBlock;
inline constexpr int kMinKvBits = 2;
inline constexpr int kMaxKvBits = 8;

/// The codes of one group: the code q stands for scale * (2q + 1 - 2m) / (2m), m = 2^(bits - 1).
struct KvCodes {
  uint8_t codes[kKvGroup];
  uint16_t scale;  // fp16
};

/// Rotates 32 channels by the orthonormal transform, in place.
TRELLIS_HD constexpr void kv_rotate(float* values) {
  hadamard<kKvGroup>(values);
  for (int index = 0; index < kKvGroup; ++index) values[index] *= kKvHadamardScale;
}

/// Quantizes 32 channels. bits: 2 to 8. Magnitudes above 11580 may overflow the fp16 scale.
/// A group of zeros gets the scale 0 and so comes back as exact zeros.
TRELLIS_HD inline KvCodes kv_quantize(const float* channels, int bits) {
  float rotated[kKvGroup];
  for (int index = 0; index < kKvGroup; ++index) rotated[index] = channels[index];
  kv_rotate(rotated);

  float largest = 0.0f;
  for (int index = 0; index < kKvGroup; ++index) {
    largest = std::fmax(largest, std::fabs(rotated[index]) + 1e-10f);
  }
  const float inverse = 1.0f / largest;
  const auto middle = static_cast<float>(1 << (bits - 1));
  KvCodes group{};
  for (int index = 0; index < kKvGroup; ++index) {
    const float level = std::floor(std::fma(rotated[index] * inverse, middle, middle));
    const float clamped = std::fmin(std::fmax(level, 0.0f), 2.0f * middle - 1.0f);
    group.codes[index] = static_cast<uint8_t>(clamped);
  }
  group.scale = float_to_half(largest);
  return group;
}

/// The factor of a dequantized code in the rotated domain, 1/sqrt(32) of the way back included.
TRELLIS_HD constexpr float kv_step(uint16_t scale, int bits) {
  return (half_to_float(scale) * kKvHadamardScale) * (1.0f / static_cast<float>(1 << (bits - 1)));
}

/// The channels of one group, in fp32; the reference rounds them to fp16. bits: 2 to 8.
TRELLIS_HD constexpr void kv_dequantize(const KvCodes& group, int bits, float* channels) {
  const float step = kv_step(group.scale, bits);
  const float offset = static_cast<float>(1 << (bits - 1)) - 0.5f;
  for (int index = 0; index < kKvGroup; ++index) {
    channels[index] = (static_cast<float>(group.codes[index]) - offset) * step;
  }
  hadamard<kKvGroup>(channels);
}

/// The widest bit plane that the remaining bits of a code begin with: 8, 4, 2 or 1.
TRELLIS_HD constexpr int kv_plane_width(int remaining_bits) {
  return remaining_bits >= 8 ? 8 : remaining_bits >= 4 ? 4 : remaining_bits >= 2 ? 2 : 1;
}

/// Packs 32 codes into words[bits]. The bits of a code are split into planes of 8, 4, 2 and 1 bits,
/// the most significant bits first; a plane of p bits is p words, fields little-endian.
TRELLIS_HD constexpr void kv_pack(const uint8_t* codes, int bits, uint32_t* words) {
  for (int word = 0; word < bits; ++word) words[word] = 0;
  for (int remaining = bits; remaining > 0;) {
    const int width = kv_plane_width(remaining);
    uint32_t* plane = words + (bits - remaining);
    remaining -= width;
    const uint32_t mask = (1u << width) - 1;
    for (int index = 0; index < kKvGroup; ++index) {
      const uint32_t field = (static_cast<uint32_t>(codes[index]) >> remaining) & mask;
      plane[index * width / 32] |= field << (index * width % 32);
    }
  }
}

/// The inverse of kv_pack.
TRELLIS_HD constexpr void kv_unpack(const uint32_t* words, int bits, uint8_t* codes) {
  for (int index = 0; index < kKvGroup; ++index) {
    uint32_t code = 0;
    for (int remaining = bits; remaining > 0;) {
      const int width = kv_plane_width(remaining);
      const uint32_t* plane = words + (bits - remaining);
      const uint32_t mask = (1u << width) - 1;
      code = (code << width) | ((plane[index * width / 32] >> (index * width % 32)) & mask);
      remaining -= width;
    }
    codes[index] = static_cast<uint8_t>(code);
  }
}

}  // namespace trellis::exl3
