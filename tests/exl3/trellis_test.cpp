#include "exl3/trellis.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

namespace trellis::exl3 {
namespace {

constexpr uint32_t kSeed = 20240607;

/// The tile as a plain string of 256 * bits bits, as the format describes it.
std::vector<int> random_bit_string(int bits, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int> string(static_cast<size_t>(256 * bits));
  for (int& bit : string) bit = static_cast<int>(random() & 1);
  return string;
}

/// Stores the string: bit p in word p / 32 at position 31 - p % 32.
std::vector<uint32_t> words_of(const std::vector<int>& string) {
  std::vector<uint32_t> words(string.size() / 32);
  for (size_t p = 0; p < string.size(); ++p) {
    words[p / 32] |= static_cast<uint32_t>(string[p]) << (31 - p % 32);
  }
  return words;
}

/// The window of 16 bits that ends with those of the step, wrapping around.
uint32_t expected_state(const std::vector<int>& string, int bits, int step) {
  const int size = 256 * bits;
  uint32_t state = 0;
  for (int p = (step + 1) * bits - 16; p < (step + 1) * bits; ++p) {
    state = 2 * state + static_cast<uint32_t>(string[static_cast<size_t>((p + size) % size)]);
  }
  return state;
}

class TrellisBits : public ::testing::TestWithParam<int> {};

TEST_P(TrellisBits, EveryStepReadsItsWindowOfTheBitString) {
  const int bits = GetParam();
  const std::vector<int> string = random_bit_string(bits, kSeed);
  const std::vector<uint32_t> words = words_of(string);

  for (int step = 0; step < kTileWeights; ++step) {
    ASSERT_EQ(state_at(words.data(), bits, step), expected_state(string, bits, step))
        << "step " << step << ", seed " << kSeed;
  }
}

TEST_P(TrellisBits, PackingTheStatesOfATileGivesTheTile) {
  const int bits = GetParam();
  const std::vector<uint32_t> words = words_of(random_bit_string(bits, kSeed + 1));
  std::array<uint16_t, kTileWeights> states{};
  for (int step = 0; step < kTileWeights; ++step) {
    states[static_cast<size_t>(step)] = static_cast<uint16_t>(state_at(words.data(), bits, step));
  }

  std::vector<uint32_t> packed(static_cast<size_t>(tile_words(bits)));
  pack_tile(states.data(), bits, packed.data());

  EXPECT_EQ(packed, words) << "seed " << kSeed + 1;
  EXPECT_TRUE(is_tail_biting(states.data(), bits));
}

TEST_P(TrellisBits, AChangedStateIsNoLongerTailBiting) {
  const int bits = GetParam();
  const std::vector<uint32_t> words = words_of(random_bit_string(bits, kSeed + 2));
  std::array<uint16_t, kTileWeights> states{};
  for (int step = 0; step < kTileWeights; ++step) {
    states[static_cast<size_t>(step)] = static_cast<uint16_t>(state_at(words.data(), bits, step));
  }

  states[0] ^= 0x8000;

  EXPECT_FALSE(is_tail_biting(states.data(), bits));
}

TEST_P(TrellisBits, TilesLoadFromAnyAlignment) {
  const int bits = GetParam();
  const std::vector<uint32_t> words = words_of(random_bit_string(bits, kSeed + 3));
  const size_t bytes = words.size() * sizeof(uint32_t);
  std::vector<uint8_t> file(2 * bytes + 1);
  std::memcpy(file.data() + 1 + bytes, words.data(), bytes);

  std::vector<uint32_t> loaded(words.size());
  load_tile(file.data() + 1, 1, bits, loaded.data());

  EXPECT_EQ(loaded, words);
}

INSTANTIATE_TEST_SUITE_P(
    OneToEight, TrellisBits, ::testing::Range(kMinBits, kMaxBits + 1),
    [](const auto& info) { return "bits_" + std::to_string(info.param); }
);

TEST(Trellis, WorkedExampleOfTheFormatDescription) {
  const std::array<uint16_t, 8> codes = {1, 6, 3, 0, 5, 2, 7, 4};
  std::array<uint16_t, kTileWeights> repeated{};
  for (size_t step = 0; step < repeated.size(); ++step) repeated[step] = codes[step % 8];

  std::array<uint32_t, tile_words(3)> words{};
  pack_tile(repeated.data(), 3, words.data());

  EXPECT_EQ(words[0], 0x398ABC39u);
  EXPECT_EQ(words[1], 0x8ABC398Au);
  EXPECT_EQ(words[2], 0xBC398ABCu);
  const std::array<uint32_t, 8> states = {0x55E1, 0xAF0E, 0x7873, 0xC398,
                                          0x1CC5, 0xE62A, 0x3157, 0x8ABC};
  for (int step = 0; step < kTileWeights; ++step) {
    ASSERT_EQ(state_at(words.data(), 3, step), states[static_cast<size_t>(step % 8)]);
  }
}

}  // namespace
}  // namespace trellis::exl3
