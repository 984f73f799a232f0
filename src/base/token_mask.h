// A set of the tokens of a vocabulary: which of them may come.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

/// Empty at first. Ids outside the vocabulary are in no set.
class TokenMask {
 public:
  explicit TokenMask(int64_t vocab_size)
      : size_(vocab_size), words_(static_cast<size_t>((vocab_size + 31) / 32)) {}

  int64_t size() const { return size_; }

  bool allows(int32_t id) const {
    return id >= 0 && id < size_ && (words_[static_cast<size_t>(id / 32)] & bit(id)) != 0;
  }
  void set(int32_t id, bool allowed) {
    if (id < 0 || id >= size_) return;
    uint32_t& word = words_[static_cast<size_t>(id / 32)];
    word = allowed ? word | bit(id) : word & ~bit(id);
  }

  /// One bit each, the lowest first; bits beyond the vocabulary mean nothing.
  std::span<uint32_t> words() { return words_; }

 private:
  static uint32_t bit(int32_t id) { return uint32_t{1} << (id % 32); }

  int64_t size_;
  std::vector<uint32_t> words_;
};

}  // namespace trellis
