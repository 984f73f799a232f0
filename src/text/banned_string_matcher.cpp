#include "text/banned_string_matcher.h"

#include "text/lowercase.h"

#include <algorithm>

namespace trellis {

BannedStringMatcher::BannedStringMatcher(std::span<const std::string> strings) {
  for (const std::string& text : strings) {
    if (!text.empty()) patterns_.emplace_back(lowercase(text));
  }
}

size_t BannedStringMatcher::advance(char byte) {
  size_t match_size = 0;
  for (StringPattern& pattern : patterns_) {
    pattern.advance(byte);
    if (pattern.complete()) match_size = std::max(match_size, pattern.matched);
  }
  return match_size;
}

size_t BannedStringMatcher::push(std::string_view text) {
  held_.push_back(lowercase(text));
  const std::string& last = held_.back();
  for (size_t i = 0; i < last.size(); ++i) {
    const size_t match_size = advance(last[i]);
    if (match_size == 0) continue;
    size_t num_tokens = 1;
    for (size_t bytes = i + 1; bytes < match_size; ++num_tokens) {
      bytes += held_[held_.size() - 1 - num_tokens].size();
    }
    return num_tokens;
  }
  const bool any_begun = std::ranges::any_of(patterns_, [](const StringPattern& pattern) {
    return pattern.matched > 0;
  });
  if (!any_begun) held_.clear();
  return 0;
}

void BannedStringMatcher::drop(size_t count) {
  held_.resize(held_.size() - count);
  for (StringPattern& pattern : patterns_) pattern.matched = 0;
  for (const std::string& text : held_) {
    for (const char byte : text) advance(byte);
  }
}

}  // namespace trellis
