// Random signs that are the same on every machine and in every version: they decide which bytes a
// conversion writes. Source: Steele, Lea and Flood 2014 (SplitMix64).
#pragma once

#include <cstdint>
#include <string_view>

namespace trellis {

/// Scatters 64 bits: one step of SplitMix64.
constexpr uint64_t mix_bits(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

/// The seed of one named thing, so that each has signs of its own whatever is converted before it.
constexpr uint64_t seed_of(uint64_t seed, std::string_view name) {
  for (const char letter : name) seed = mix_bits(seed ^ static_cast<unsigned char>(letter));
  return mix_bits(seed);
}

/// A sequence of +1 and -1.
class RandomSigns {
 public:
  explicit RandomSigns(uint64_t seed) : state_(seed) {}

  float next() { return (mix_bits(state_++) & 1u) != 0 ? -1.0f : 1.0f; }

 private:
  uint64_t state_;
};

}  // namespace trellis
