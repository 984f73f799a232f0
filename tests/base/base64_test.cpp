#include "base/base64.h"

#include <gtest/gtest.h>

#include <string_view>

namespace trellis {
namespace {

std::string encode(std::string_view text) {
  return base64_encode(std::as_bytes(std::span(text)));
}

// The vectors of RFC 4648, section 10.
TEST(Base64, PadsToGroupsOfFour) {
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foob"), "Zm9vYg==");
  EXPECT_EQ(encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, HasADigitForEachSixBits) {
  EXPECT_EQ(encode("\xfb\xef\xff"), "++//");
  EXPECT_EQ(encode(std::string_view("\0\x10\x83", 3)), "ABCD");
}

}  // namespace
}  // namespace trellis
