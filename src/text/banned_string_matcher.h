// Banned strings in streamed text: where one began, and which tokens may be part of one. Beside the
// stop matcher in the path of a token, and before it.
#pragma once

#include "text/string_pattern.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// Finds the first of several strings, in upper or lower case, in a text that comes token by token.
/// The match that is complete first counts, the longest of those complete at the same byte. Tokens
/// are held from the last one behind which no string had begun: before that, whatever is taken back
/// and comes instead, nothing can turn out to be part of one. One thread at a time.
class BannedStringMatcher {
 public:
  /// Empty strings are ignored. UserError where one is not UTF-8.
  explicit BannedStringMatcher(std::span<const std::string> strings);

  /// Takes the text of the next token: whole UTF-8 characters, or none. How many of the last tokens
  /// a string spans that is complete by then, this one included: they are to be dropped before the
  /// next push. 0: there is none.
  size_t push(std::string_view text);

  /// The last tokens that are, or may become, part of one.
  size_t num_held() const { return held_.size(); }

  /// Takes back the last `count` tokens that are held.
  void drop(size_t count);

 private:
  /// Takes the next byte. The size of the string that is complete by then; 0: none.
  size_t advance(char byte);

  std::vector<StringPattern> patterns_;  // in lower case
  std::vector<std::string> held_;        // the tokens' texts, in lower case
};

}  // namespace trellis
