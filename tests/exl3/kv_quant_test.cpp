#include "exl3/kv_quant.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

namespace trellis::exl3 {
namespace {

/// x_j = j / 8 - 2, the worked example of the format description.
std::array<float, kKvGroup> ramp() {
  std::array<float, kKvGroup> values{};
  for (int j = 0; j < kKvGroup; ++j) {
    values[static_cast<size_t>(j)] = static_cast<float>(j) / 8 - 2;
  }
  return values;
}

TEST(KvQuant, WorkedExampleInFourBits) {
  const KvCodes group = kv_quantize(ramp().data(), 4);
  std::array<uint32_t, 4> words{};
  kv_pack(group.codes, 4, words.data());
  std::array<float, kKvGroup> back{};
  kv_dequantize(group, 4, back.data());

  EXPECT_EQ(group.scale, 0x45A8);
  EXPECT_EQ(words, (std::array<uint32_t, 4>{0x88868777, 0x88888884, 0x88888880, 0x88888888}));
  const std::array<float, 6> expected = {-0.125f, -1.875f, -1.875f, -1.625f, -1.625f, -1.375f};
  for (size_t j = 0; j < expected.size(); ++j) {
    EXPECT_EQ(half_to_float(float_to_half(back[j])), expected[j]);
  }
}

TEST(KvQuant, WorkedExampleInThreeBits) {
  const KvCodes group = kv_quantize(ramp().data(), 3);
  std::array<uint32_t, 3> words{};
  kv_pack(group.codes, 3, words.data());

  EXPECT_EQ(words, (std::array<uint32_t, 3>{0xAAA9A995, 0xAAAAAAA8, 0x00000017}));
}

class KvBits : public ::testing::TestWithParam<int> {};

TEST_P(KvBits, UnpackingUndoesPacking) {
  const int bits = GetParam();
  std::mt19937 random(5);
  std::array<uint8_t, kKvGroup> codes{};
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % (1u << bits));

  std::vector<uint32_t> words(static_cast<size_t>(bits));
  kv_pack(codes.data(), bits, words.data());
  std::array<uint8_t, kKvGroup> unpacked{};
  kv_unpack(words.data(), bits, unpacked.data());

  EXPECT_EQ(unpacked, codes) << "seed 5";
}

TEST_P(KvBits, ZerosComeBackAsExactZeros) {
  const std::array<float, kKvGroup> zeros{};
  const KvCodes group = kv_quantize(zeros.data(), GetParam());
  std::array<float, kKvGroup> back{};
  kv_dequantize(group, GetParam(), back.data());

  EXPECT_EQ(group.scale, 0);
  EXPECT_EQ(back, zeros);
}

TEST_P(KvBits, ErrorHalvesWithEveryBit) {
  // Measured on Gaussian data: 0.36 at 2 bits, then half per bit.
  const std::array<double, 7> expected = {0.36, 0.176, 0.088, 0.044, 0.022, 0.011, 0.0056};
  const int bits = GetParam();
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  double error = 0.0;
  double power = 0.0;

  for (int trial = 0; trial < 500; ++trial) {
    std::array<float, kKvGroup> values{};
    for (float& value : values) value = normal(random);
    std::array<float, kKvGroup> back{};
    kv_dequantize(kv_quantize(values.data(), bits), bits, back.data());
    for (size_t j = 0; j < values.size(); ++j) {
      error += (back[j] - values[j]) * (back[j] - values[j]);
      power += values[j] * values[j];
    }
  }

  const double wanted = expected[static_cast<size_t>(bits - 2)];
  EXPECT_NEAR(std::sqrt(error / power), wanted, 0.04 * wanted) << "seed 6";
}

INSTANTIATE_TEST_SUITE_P(
    TwoToEight, KvBits, ::testing::Range(kMinKvBits, kMaxKvBits + 1),
    [](const auto& info) { return "bits_" + std::to_string(info.param); }
);

}  // namespace
}  // namespace trellis::exl3
