#include "text/stop_matcher.h"

#include <algorithm>

namespace trellis {

StopMatcher::StopMatcher(std::vector<std::string> stop_strings) {
  for (std::string& text : stop_strings) {
    if (!text.empty()) patterns_.emplace_back(std::move(text));
  }
}

StopMatcher::Output StopMatcher::push(std::string_view text) {
  if (matched_) return {"", true, ""};
  held_ += text;
  size_t longest = 0;
  for (size_t i = held_.size() - text.size(); i < held_.size(); ++i) {
    longest = 0;
    size_t match_size = 0;
    for (StringPattern& pattern : patterns_) {
      pattern.advance(held_[i]);
      longest = std::max(longest, pattern.matched);
      if (pattern.complete()) match_size = std::max(match_size, pattern.matched);
    }
    if (match_size > 0) {
      matched_ = true;
      std::string before = held_.substr(0, i + 1 - match_size);
      std::string match = held_.substr(i + 1 - match_size, match_size);
      held_.clear();
      return {std::move(before), true, std::move(match)};
    }
  }
  if (text.empty()) return {};
  std::string ready = held_.substr(0, held_.size() - longest);
  held_.erase(0, ready.size());
  return {std::move(ready), false, ""};
}

std::string StopMatcher::flush() {
  std::string rest;
  std::swap(rest, held_);
  for (StringPattern& pattern : patterns_) pattern.matched = 0;
  return rest;
}

}  // namespace trellis
