// Pages for tests of the tiers: full, of tokens that count up.
#pragma once

#include "backend/args.h"
#include "cache/page_index.h"

#include <cstddef>
#include <numeric>
#include <vector>

namespace trellis {

constexpr Hash128 kRoot = {1, 1};

/// A full page of tokens from `first` on, whose hash is {first, 0}.
inline PageContent full_page(int32_t first, const Hash128& parent = kRoot) {
  PageContent content = {
      std::vector<int32_t>(kPageTokens), parent, {static_cast<uint64_t>(first), 0}
  };
  std::iota(content.tokens.begin(), content.tokens.end(), first);
  return content;
}

/// Its first tokens alone, by a hash of its own.
inline PageContent part_of_page(int32_t first, size_t count, const Hash128& parent = kRoot) {
  PageContent content = full_page(first, parent);
  content.tokens.resize(count);
  content.hash.high = count;
  return content;
}

/// Bytes that differ from page to page.
inline std::vector<std::byte> payload_of(int32_t first, size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 + i / 256 + static_cast<size_t>(first));
  }
  return bytes;
}

}  // namespace trellis
