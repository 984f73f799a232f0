// One string that is looked for in a text which comes in parts.
#pragma once

#include <string>
#include <vector>

namespace trellis {

/// A string and how much of it the text so far ends with (Knuth, Morris & Pratt 1977).
struct StringPattern {
  std::string text;
  std::vector<size_t> fallback;  // [i]: longest proper prefix of text[0..i] that is also its end
  size_t matched = 0;

  /// pattern: not empty.
  explicit StringPattern(std::string pattern);
  /// Takes the text's next byte. Not to be called on a complete pattern.
  void advance(char byte);
  bool complete() const { return matched == text.size(); }
};

}  // namespace trellis
