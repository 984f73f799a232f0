// Stop strings against a search of the whole text, for every way of cutting it.
#include "text/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace trellis {
namespace {

using Stops = std::vector<std::string>;

struct Found {
  std::string text;
  bool matched = false;
  bool operator==(const Found&) const = default;
};

// What should come out, by looking at every end of the whole text.
Found expected(const std::string& text, const Stops& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const auto& stop : stops) {
      const bool ends_here = !stop.empty() && stop.size() <= end &&
                             text.compare(end - stop.size(), stop.size(), stop) == 0;
      if (ends_here) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

// The least that must be held back: the longest end of the text that begins a stop string.
size_t expected_held(const std::string& text, const Stops& stops) {
  for (size_t size = text.size(); size > 0; --size) {
    for (const auto& stop : stops) {
      if (size < stop.size() && text.ends_with(stop.substr(0, size))) return size;
    }
  }
  return 0;
}

Found stream(const std::vector<std::string>& parts, const Stops& stops) {
  StopMatcher matcher(stops);
  Found found;
  std::string seen;
  for (const auto& part : parts) {
    const auto output = matcher.push(part);
    seen += part;
    found.text += output.text;
    found.matched = output.matched;
    EXPECT_EQ(matcher.held_bytes(), found.matched ? 0 : expected_held(seen, stops)) << seen;
  }
  found.text += matcher.flush();
  return found;
}

TEST(StopMatcher, PassesTextWithoutStopStrings) {
  StopMatcher matcher({});

  EXPECT_EQ(matcher.push("abc").text, "abc");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, IgnoresEmptyStopStrings) {
  EXPECT_EQ(stream({"a", "", "b"}, {"", ""}), (Found{"ab", false}));
}

TEST(StopMatcher, FindsAStopStringAcrossParts) {
  EXPECT_EQ(stream({"hello </", "s", "top> rest"}, {"</stop>"}), (Found{"hello ", true}));
}

TEST(StopMatcher, SaysWhichStopStringItFound) {
  StopMatcher matcher({"end", "the end", "never"});

  EXPECT_EQ(matcher.push("so t").match, "");
  EXPECT_EQ(matcher.push("he end").match, "the end");
}

TEST(StopMatcher, HoldsBackOnlyWhatMayStillMatch) {
  StopMatcher matcher({"\n\nUser:"});

  EXPECT_EQ(matcher.push("one\n").text, "one");
  EXPECT_EQ(matcher.push("two\n\nUse").text, "\ntwo");
  EXPECT_EQ(matcher.push("d").text, "\n\nUsed");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, HandsOutWhatItHeldWhenTheTextEnds) {
  StopMatcher matcher({"stop"});

  EXPECT_EQ(matcher.push("a sto").text, "a ");
  EXPECT_EQ(matcher.flush(), "sto");
}

TEST(StopMatcher, TakesTheMatchThatIsCompleteFirst) {
  EXPECT_EQ(stream({"abcd"}, {"bcd", "c"}), (Found{"ab", true}));
}

TEST(StopMatcher, TakesTheLongestOfMatchesThatEndTogether) {
  EXPECT_EQ(stream({"abcd"}, {"d", "bcd", "cd"}), (Found{"a", true}));
}

TEST(StopMatcher, FallsBackInsideARepetition) {
  EXPECT_EQ(stream({"aab", "aab", "aac", "x"}, {"aabaac"}), (Found{"aab", true}));
}

TEST(StopMatcher, HandsOutNothingAfterAMatch) {
  StopMatcher matcher({"x"});
  EXPECT_TRUE(matcher.push("ax").matched);

  EXPECT_EQ(matcher.push("more").text, "");
  EXPECT_TRUE(matcher.push("x").matched);
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, KeepsCharactersWhole) {
  StopMatcher matcher({"é!"});

  EXPECT_EQ(matcher.push("caf\u00E8").text, "caf\u00E8");
  EXPECT_EQ(matcher.push("caf\u00E9").text, "caf");
  EXPECT_EQ(matcher.push("?").text, "\u00E9?");
}

TEST(StopMatcher, AgreesWithASearchOfTheWholeTextForRandomTexts) {
  constexpr uint32_t kSeed = 99;
  std::mt19937 random(kSeed);
  const auto word = [&](size_t longest) {
    std::string text(random() % (longest + 1), 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 5000; ++round) {
    Stops stops(random() % 4);
    for (auto& stop : stops) stop = word(6);
    std::vector<std::string> parts(1 + random() % 6);
    std::string text;
    const auto stop_found = [&] { return expected(text, stops).matched; };
    for (auto& part : parts) {
      part = stop_found() ? "" : word(4);
      text += part;
    }
    ASSERT_EQ(stream(parts, stops), expected(text, stops))
        << "seed " << kSeed << " round " << round;
  }
}

}  // namespace
}  // namespace trellis
