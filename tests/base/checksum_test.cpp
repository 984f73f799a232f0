#include "base/checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace trellis {
namespace {

Hash128 sum(std::string_view text) {
  return checksum128(std::as_bytes(std::span(text)));
}

// By xxh3_128_hexdigest() of the Python package xxhash 4.1.0, which is xxHash 0.8.4.
TEST(Checksum, IsXxh3) {
  EXPECT_EQ(sum(""), (Hash128{0x6001c324468d497f, 0x99aa06d3014798d8}));
  EXPECT_EQ(sum("abc"), (Hash128{0x78af5f94892f3950, 0x06b05ab6733a6185}));
  std::string bytes(100'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  EXPECT_EQ(sum(bytes), (Hash128{0x42c23aeead96750d, 0x54182c58bbb1337c}));
}

}  // namespace
}  // namespace trellis
