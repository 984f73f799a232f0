#include "exl3/signs.h"

#include <gtest/gtest.h>

#include <array>

namespace trellis::exl3 {
namespace {

TEST(Signs, BitZeroIsTheFirstChannelAndOneMeansNegative) {
  const std::array<uint16_t, 2> words = {0x0001, 0x8002};
  std::array<uint16_t, 32> halves{};

  expand_signs(words.data(), 32, halves.data());

  for (size_t channel = 0; channel < 32; ++channel) {
    const bool negative = channel == 0 || channel == 17 || channel == 31;
    EXPECT_EQ(halves[channel], negative ? 0xBC00 : 0x3C00) << "channel " << channel;
  }
}

}  // namespace
}  // namespace trellis::exl3
