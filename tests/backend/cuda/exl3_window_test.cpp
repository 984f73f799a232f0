// A lane's view of a tile, against the format's definition of states and of their order.
#include "backend/cuda/exl3_window.h"

#include "exl3/tile_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <type_traits>

namespace trellis::cuda {
namespace {

constexpr uint32_t kSeed = 20250519;
constexpr int kTiles = 64;
constexpr int kRuns = exl3::kTileWeights / kRunWeights;

template <typename Bits>
class Exl3WindowTest : public testing::Test {};

template <int... kBits>
using Types = testing::Types<std::integral_constant<int, kBits>...>;
using BitWidths = Types<1, 2, 3, 4, 5, 6, 7, 8>;

struct BitNames {
  template <typename Bits>
  static std::string GetName(int) {
    return "bits_" + std::to_string(Bits::value);
  }
};

TYPED_TEST_SUITE(Exl3WindowTest, BitWidths, BitNames);

TYPED_TEST(Exl3WindowTest, HoldsTheStatesOfTheFormat) {
  constexpr int kBits = TypeParam::value;
  constexpr int kWords = exl3::tile_words(kBits);
  std::mt19937 random(kSeed);

  for (int tile = 0; tile < kTiles; ++tile) {
    uint32_t words[kWords];
    std::generate_n(words, kWords, std::ref(random));
    for (int g = 0; g < kRuns; ++g) {
      uint32_t run[kBits];
      std::copy_n(words + g * kBits, kBits, run);
      const uint32_t before = words[(g * kBits + kWords - 1) % kWords];
      for (int index = 0; index < kRunWeights; ++index) {
        const int step = kRunWeights * g + index;
        ASSERT_EQ(window<kBits>(run, before, index), exl3::state_at(words, kBits, step))
            << "seed " << kSeed << ", tile " << tile << ", step " << step;
      }
    }
  }
}

TEST(Exl3Window, LiesWhereTheFormatPutsItsStep) {
  for (int g = 0; g < kRuns; ++g) {
    for (int index = 0; index < kRunWeights; ++index) {
      const exl3::TilePosition position = exl3::position_of_step(kRunWeights * g + index);
      ASSERT_EQ(column_of_window(g, index), position.column) << "run " << g << ", index " << index;
      ASSERT_EQ(input_of_window(index), position.row) << "run " << g << ", index " << index;
    }
  }
}

}  // namespace
}  // namespace trellis::cuda
