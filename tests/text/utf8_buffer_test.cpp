// Streams of bytes against a decoder written from the definition of UTF-8.
#include "text/utf8_buffer.h"

#include <gtest/gtest.h>

#include <random>

namespace trellis {
namespace {

std::string stream(const std::string& bytes) {
  Utf8Buffer buffer;
  std::string text;
  for (const char byte : bytes) {
    text += buffer.push({&byte, 1});
    EXPECT_LE(buffer.pending_bytes(), 3u);
  }
  return text + buffer.flush();
}

// UTF-8 by its definition: a code point, encoded with as many bytes as it needs.
std::string encode(uint32_t c) {
  std::string bytes;
  const auto tail = [&](int shift) { bytes += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    bytes += static_cast<char>(c);
  } else if (c < 0x800) {
    bytes += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    bytes += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    bytes += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
  return bytes;
}

TEST(Utf8Buffer, PassesEveryCharacterThatExists) {
  Utf8Buffer buffer;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string bytes = encode(c);
    std::string text;
    for (const char byte : bytes) {
      ASSERT_EQ(text, "") << c;
      text += buffer.push({&byte, 1});
    }
    ASSERT_EQ(text, bytes) << c;
  }
}

TEST(Utf8Buffer, ReplacesSurrogatesAndWhatLiesBeyondUnicode) {
  EXPECT_EQ(stream(encode(0xD800)), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(stream(encode(0xDFFF)), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(stream(encode(0x110000)), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

// The examples of The Unicode Standard 15, tables 3-8 to 3-11.
TEST(Utf8Buffer, ReplacesMaximalPartsAsTheStandardShows) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(stream("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(stream("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(stream("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(stream("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
}

TEST(Utf8Buffer, GivesTheSameTextHoweverTheBytesAreCut) {
  constexpr uint32_t kSeed = 4711;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) {
      const uint32_t kind = random() % 3;
      if (kind == 0) bytes += static_cast<char>(random() % 256);
      if (kind == 1) bytes += encode(0x20 + random() % 0xD000);
      if (kind == 2) bytes += encode(0x10000 + random() % 0x100000).substr(0, 1 + random() % 4);
    }
    Utf8Buffer buffer;
    std::string at_once = buffer.push(bytes);
    at_once += buffer.flush();
    ASSERT_EQ(stream(bytes), at_once) << "seed " << kSeed << " round " << round;
  }
}

}  // namespace
}  // namespace trellis
