// Stop strings in streamed text: what precedes a match goes out, what may still become one waits.
// Last in the path of a token, after the detokenizer.
#pragma once

#include "text/string_pattern.h"

#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// Finds the first of several stop strings in a text that comes in parts, wherever the parts are
/// cut. The match that is complete first wins, the longest of those complete at the same byte; the
/// text handed out ends where it begins. Whole UTF-8 characters in, whole characters out. One
/// thread at a time.
class StopMatcher {
 public:
  struct Output {
    std::string text;      // what may be handed out
    bool matched = false;  // a stop string came after it; nothing is handed out any more
    std::string match;     // which one
  };

  /// Empty stop strings are ignored.
  explicit StopMatcher(std::vector<std::string> stop_strings);

  /// Takes the next part. Holds back the longest end of the text that begins a stop string, and no
  /// more.
  Output push(std::string_view text);

  /// The end of the text: what was held back. Empty after a match.
  std::string flush();

  size_t held_bytes() const { return held_.size(); }

 private:
  std::vector<StringPattern> patterns_;
  std::string held_;  // as long as the longest `matched`
  bool matched_ = false;
};

}  // namespace trellis
