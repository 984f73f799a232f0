// The tokens of a request so far, prompt and answer together: what penalties look back on.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace trellis {

class TokenHistory {
 public:
  TokenHistory() = default;
  explicit TokenHistory(std::vector<int32_t> tokens) : tokens_(std::move(tokens)) {
    for (const int32_t token : tokens_) ++counts_[token];
  }

  void append(int32_t token) {
    tokens_.push_back(token);
    ++counts_[token];
  }

  /// Takes back the last `count` tokens.
  void drop_last(size_t count) {
    for (; count > 0; --count) {
      const auto entry = counts_.find(tokens_.back());
      if (--entry->second == 0) counts_.erase(entry);
      tokens_.pop_back();
    }
  }

  /// In the order in which they came.
  std::span<const int32_t> tokens() const { return tokens_; }
  /// How often each came.
  const std::unordered_map<int32_t, int32_t>& counts() const { return counts_; }

 private:
  std::vector<int32_t> tokens_;
  std::unordered_map<int32_t, int32_t> counts_;
};

}  // namespace trellis
