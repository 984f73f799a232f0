#include "base/philox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

// Known answers published with the Random123 library (kat_vectors, philox4x32 10 rounds).
TEST(Philox, ReproducesThePublishedVectors) {
  EXPECT_THAT(
      philox4x32({0, 0, 0, 0}, {0, 0}),
      testing::ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)
  );
  EXPECT_THAT(
      philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
      testing::ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)
  );
  EXPECT_THAT(
      philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      testing::ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)
  );
}

}  // namespace
}  // namespace trellis
