#include "exl3/codebook.h"

#include "exl3/sha256.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace trellis::exl3 {
namespace {

// --- An independent formulation: numbers instead of bit patterns, rounding by scaled integers.

/// The nearest fp16 number, ties to even, for normal magnitudes.
double round_to_half(double value) {
  if (value == 0.0) return 0.0;
  int exponent = 0;
  std::frexp(value, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - 11, -24));
  return std::nearbyint(value / unit) * unit;
}

/// The number that 16 bits stand for once masked: sign, and an exponent of 2^-3 to 2^0.
double masked_number(uint32_t bits) {
  const bool negative = (bits >> 15) & 1;
  // The exponent field and mantissa are what remains of 0x0FFF, flipped by 0x3B60.
  const uint32_t field = (bits & 0x0FFFu) ^ 0x3B60u;
  const double magnitude =
      std::ldexp(1.0 + (field & 0x3FF) / 1024.0, static_cast<int>(field >> 10) - 15);
  return negative ? -magnitude : magnitude;
}

double expected_weight(Codebook codebook, uint32_t state) {
  const uint64_t modulus = uint64_t{1} << 32;
  if (codebook == Codebook::kMul1) {
    uint64_t product = uint64_t{state} * 0x83DCD12D % modulus;
    int sum = 0;
    for (int byte = 0; byte < 4; ++byte, product /= 256) sum += static_cast<int>(product % 256);
    return round_to_half(0.00676727294921875 * (sum - 510) - 0.0018157958984375);
  }
  const uint64_t product = codebook == Codebook::kMcg
                               ? uint64_t{state} * 0xCBAC1FED % modulus
                               : (uint64_t{state} * 89226354 + 64248484) % modulus;
  return round_to_half(
      masked_number(static_cast<uint32_t>(product % 65536)) +
      masked_number(static_cast<uint32_t>(product / 65536))
  );
}

struct KnownCodebook {
  Codebook codebook;
  const char* sha256;
  std::array<uint16_t, 6> patterns;  // of the states 0, 1, 2, 0x1234, 0x8000, 0xFFFF
};

class CodebookTable : public ::testing::TestWithParam<KnownCodebook> {};

TEST_P(CodebookTable, EveryStateEqualsTheFormulaInNumbers) {
  const Codebook codebook = GetParam().codebook;

  for (uint32_t state = 0; state < kNumStates; ++state) {
    ASSERT_EQ(half_to_float(decode(codebook, state)), expected_weight(codebook, state))
        << "state " << state;
  }
}

TEST_P(CodebookTable, HasThePublishedDigest) {
  std::vector<uint8_t> bytes;
  for (uint32_t state = 0; state < kNumStates; ++state) {
    const uint16_t weight = decode(GetParam().codebook, state);
    bytes.push_back(static_cast<uint8_t>(weight & 0xFF));
    bytes.push_back(static_cast<uint8_t>(weight >> 8));
  }

  EXPECT_EQ(testing::sha256(bytes), GetParam().sha256);
}

TEST_P(CodebookTable, HasThePublishedBitPatterns) {
  const std::array<uint32_t, 6> states = {0, 1, 2, 0x1234, 0x8000, 0xFFFF};

  for (size_t index = 0; index < states.size(); ++index) {
    EXPECT_EQ(decode(GetParam().codebook, states[index]), GetParam().patterns[index]);
  }
}

TEST_P(CodebookTable, NeverGivesNegativeZero) {
  for (uint32_t state = 0; state < kNumStates; ++state) {
    ASSERT_NE(decode(GetParam().codebook, state), 0x8000) << "state " << state;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, CodebookTable,
    ::testing::Values(
        KnownCodebook{
            Codebook::k3inst,
            "ad88de2dcff5bb05fff2faec37cceceb43aa1c2e8203f9d81a6fbd6dd3393eea",
            {0x3A25, 0xBB5B, 0x3B74, 0xC066, 0xB7F8, 0xB110}
        },
        KnownCodebook{
            Codebook::kMcg,
            "95383563929baa9d1ae5de0be22490284382673620bdd85929feea7bdbef04a9",
            {0x3F60, 0x304E, 0xBA13, 0x3E0F, 0xB915, 0x3ACD}
        },
        KnownCodebook{
            Codebook::kMul1,
            "bc48d02cb1c14939dc47b90f870dd689d63e3b1ab69a157e65538db68677a6c8",
            {0xC2E8, 0x3921, 0xB72D, 0xB89E, 0xBAF2, 0xB936}
        }
    ),
    [](const auto& info) { return "codebook_" + std::string(codebook_name(info.param.codebook)); }
);

TEST(Codebook, SumOfBytesAddsAllFour) {
  EXPECT_EQ(byte_sum(0x4F8FA724u), 425u);
  EXPECT_EQ(byte_sum(0xFFFFFFFFu), 1020u);
}

}  // namespace
}  // namespace trellis::exl3
