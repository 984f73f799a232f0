#include "base/siphash.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trellis {
namespace {

/// Of the bytes 0, 1, 2, ... under the key 00 01 ... 0f, as hexadecimal digits.
std::string hash_of_counting_bytes(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i % 256);
  const Hash128 hash = siphash128({0x0706050403020100u, 0x0f0e0d0c0b0a0908u}, bytes);
  std::string text;
  for (const uint64_t word : {hash.low, hash.high}) {
    for (int byte = 0; byte < 8; ++byte) text += fmt::format("{:02X}", word >> (8 * byte) & 0xff);
  }
  return text;
}

/// Printed by OpenSSL 3.0.19 for a file of these bytes:
/// openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 -in FILE SipHash
TEST(SipHash, IsOpenSsls) {
  EXPECT_EQ(hash_of_counting_bytes(0), "A3817F04BA25A8E66DF67214C7550293");
  EXPECT_EQ(hash_of_counting_bytes(1), "DA87C1D86B99AF44347659119B22FC45");
  EXPECT_EQ(hash_of_counting_bytes(7), "A1F1EBBED8DBC153C0B84AA61FF08239");
  EXPECT_EQ(hash_of_counting_bytes(8), "3B62A9BA6258F5610F83E264F31497B4");
  EXPECT_EQ(hash_of_counting_bytes(15), "5493E99933B0A8117E08EC0F97CFC3D9");
  EXPECT_EQ(hash_of_counting_bytes(16), "6EE2A4CA67B054BBFD3315BF85230577");
  EXPECT_EQ(hash_of_counting_bytes(63), "5150D1772F50834A503E069A973FBD7C");
  EXPECT_EQ(hash_of_counting_bytes(1040), "E3F285D9973E866E3CF1F1597EBE1D70");
}

TEST(SipHash, KeysDifferFromEachOther) {
  EXPECT_NE(random_sip_key(), random_sip_key());
}

}  // namespace
}  // namespace trellis
