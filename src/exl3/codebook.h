// The three codebooks of EXL3: pure functions from a 16-bit trellis state to a weight, roughly
// normal. No table is stored anywhere; a decoder computes a few integer operations per weight.
// Written once for host and device. Source: Tseng et al. 2024 (QTIP, "computed Gaussian codes");
// docs/exl3.md has the formulas.
#pragma once

#include "base/half.h"
#include "base/host_device.h"

#include <cstdint>

namespace trellis::exl3 {

enum class Codebook : uint8_t { k3inst, kMcg, kMul1 };
inline constexpr int kNumCodebooks = 3;
inline constexpr int kNumStates = 65536;

/// The marker that a checkpoint stores beside a linear layer: its codebook's multiplier.
inline constexpr uint32_t kMcgMultiplier = 0xCBAC1FED;
inline constexpr uint32_t kMul1Multiplier = 0x83DCD12D;

/// The root mean square that the quantizer scales weights to before it searches the best gain:
/// that of the 3inst codebook, used for all three.
inline constexpr float kCodebookScale = 1.24371088f;

/// "3inst", "mcg" or "mul1".
constexpr const char* codebook_name(Codebook codebook) {
  switch (codebook) {
    case Codebook::k3inst:
      return "3inst";
    case Codebook::kMcg:
      return "mcg";
    case Codebook::kMul1:
      return "mul1";
  }
  return "?";
}

// --- Leaf operations. For the halves that occur below, sums and fused products have at most 20
// significant bits, so fp32 holds them exactly and the one rounding to fp16 at the end gives what a
// device's half instructions give. They are not general half arithmetic.

/// a + b, rounded once to fp16. Exact in fp32 while the exponents differ by at most 12.
TRELLIS_HD constexpr uint16_t half_add(uint16_t a, uint16_t b) {
  return float_to_half(half_to_float(a) + half_to_float(b));
}

/// a * b + c, rounded once to fp16, for operands whose exact result fits 24 significant bits.
TRELLIS_HD constexpr uint16_t half_fma(uint16_t a, uint16_t b, uint16_t c) {
  return float_to_half(half_to_float(a) * half_to_float(b) + half_to_float(c));
}

TRELLIS_HD constexpr uint32_t byte_sum(uint32_t value) {
  return (value & 0xFF) + ((value >> 8) & 0xFF) + ((value >> 16) & 0xFF) + (value >> 24);
}

// --- The codebooks.

/// Two halves with random sign, two exponent bits and mantissa, each in +-[2^-3, 2), added.
TRELLIS_HD constexpr uint16_t sum_of_masked_halves(uint32_t mixed) {
  const uint32_t halves = (mixed & 0x8FFF8FFFu) ^ 0x3B603B60u;
  return half_add(static_cast<uint16_t>(halves & 0xFFFF), static_cast<uint16_t>(halves >> 16));
}

TRELLIS_HD constexpr uint16_t decode_3inst(uint32_t state) {
  return sum_of_masked_halves(state * 89226354u + 64248484u);
}

TRELLIS_HD constexpr uint16_t decode_mcg(uint32_t state) {
  return sum_of_masked_halves(state * kMcgMultiplier);
}

TRELLIS_HD constexpr uint16_t decode_mul1(uint32_t state) {
  const uint32_t sum = byte_sum(state * kMul1Multiplier);
  const auto biased = static_cast<uint16_t>(0x6400u + sum);  // the half 1024 + sum, exactly
  return half_fma(biased, 0x1EEE, 0xC931);                   // times 0.0067673 minus 10.3828
}

/// The weight of a state as an fp16 bit pattern. state: 0 to 65535.
TRELLIS_HD constexpr uint16_t decode(Codebook codebook, uint32_t state) {
  switch (codebook) {
    case Codebook::k3inst:
      return decode_3inst(state);
    case Codebook::kMcg:
      return decode_mcg(state);
    case Codebook::kMul1:
      return decode_mul1(state);
  }
  return 0;
}

}  // namespace trellis::exl3
