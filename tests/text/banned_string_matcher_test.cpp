#include "text/banned_string_matcher.h"

#include "text/lowercase.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace trellis {
namespace {

using Strings = std::vector<std::string>;

TEST(Lowercase, KnowsAllScriptsAndNoNeighbours) {
  EXPECT_EQ(lowercase("aBC ÄÖÜ ΑΣ ПРИВЕТ 日本"), "abc äöü ασ привет 日本");
  EXPECT_EQ(lowercase("İ"), "i̇");
  EXPECT_EQ(lowercase(""), "");
}

TEST(BannedStringMatcher, SaysHowManyTokensAStringSpans) {
  BannedStringMatcher matcher(Strings{"Hello"});

  EXPECT_EQ(matcher.push("x hE"), 0u);
  EXPECT_EQ(matcher.num_held(), 1u);
  EXPECT_EQ(matcher.push("L"), 0u);
  EXPECT_EQ(matcher.push(""), 0u);
  EXPECT_EQ(matcher.push("lo and more"), 4u);
  matcher.drop(4);
  EXPECT_EQ(matcher.num_held(), 0u);
  EXPECT_EQ(matcher.push("hello"), 1u);
}

TEST(BannedStringMatcher, HoldsNothingThatCannotBecomeOne) {
  BannedStringMatcher matcher(Strings{"abc", ""});

  for (const char* token : {"x", "yz", "abd", "cab "}) {
    EXPECT_EQ(matcher.push(token), 0u);
    EXPECT_EQ(matcher.num_held(), 0u) << token;
  }
  EXPECT_EQ(matcher.push("ca"), 0u);
  EXPECT_EQ(matcher.num_held(), 1u);
}

/// "d!" ends, and "abcX" may go on from what is left then.
TEST(BannedStringMatcher, HoldsWhatMayBeginAgainOnceTokensAreDropped) {
  BannedStringMatcher matcher(Strings{"abcX", "bcde", "d!"});

  for (const char* token : {"a", "b", "c", "d"}) EXPECT_EQ(matcher.push(token), 0u);
  EXPECT_EQ(matcher.num_held(), 4u);
  EXPECT_EQ(matcher.push("!"), 2u);
  matcher.drop(2);
  EXPECT_EQ(matcher.num_held(), 3u);
  EXPECT_EQ(matcher.push("x"), 4u);
}

class RandomBannedStrings : public testing::TestWithParam<uint32_t> {};

/// Texts of two letters, with drops, against a search of the whole text.
TEST_P(RandomBannedStrings, AreFoundWhereASearchFindsThem) {
  std::mt19937 random(GetParam());
  const auto letters = [&](size_t most) {
    std::string text;
    for (size_t i = random() % (most + 1); i > 0; --i) text += random() % 2 == 0 ? 'a' : 'B';
    return text;
  };
  Strings strings;
  for (int i = 0; i < 3; ++i) strings.push_back(letters(6) + "ab");
  BannedStringMatcher matcher(strings);
  Strings tokens;
  size_t num_free = 0;  // tokens that were not held once
  for (int step = 0; step < 2000; ++step) {
    tokens.push_back(letters(3));
    std::string text;
    for (const std::string& token : tokens) text += lowercase(token);
    size_t end = std::string::npos;
    size_t begin = 0;
    for (const std::string& string : strings) {
      const size_t found = text.find(lowercase(string));
      if (found == std::string::npos) continue;
      const size_t found_end = found + string.size();
      if (found_end < end || (found_end == end && found < begin)) begin = found;
      end = std::min(end, found_end);
    }

    const size_t count = matcher.push(tokens.back());

    if (end == std::string::npos) {
      ASSERT_EQ(count, 0u) << text;
    } else {
      size_t before = 0;
      size_t first = 0;
      while (before + tokens[first].size() <= begin) before += tokens[first++].size();
      ASSERT_EQ(count, tokens.size() - first) << text;
      ASSERT_GE(first, num_free) << text;
      matcher.drop(count);
      tokens.resize(first);
    }
    ASSERT_LE(matcher.num_held(), tokens.size());
    num_free = std::max(num_free, tokens.size() - matcher.num_held());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomBannedStrings, testing::Range(1u, 21u));

}  // namespace
}  // namespace trellis
