// One running generation, as the scheduler sees it: integers only.
#pragma once

#include "cache/sequence_cache.h"

#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

struct Sequence {
  Sequence(PagePool& pool, std::vector<int32_t> prompt, int64_t token_limit)
      : tokens(std::move(prompt)), max_tokens(token_limit), cache(pool) {}

  /// Tokens whose keys and values are not in the cache yet: at least one while the sequence runs.
  std::span<const int32_t> pending() const {
    return std::span(tokens).subspan(static_cast<size_t>(num_computed));
  }

  std::vector<int32_t> tokens;  // the prompt, then what was generated
  int64_t max_tokens = 0;       // prompt and answer together; its pages are reserved on admission
  int64_t num_computed = 0;     // leading tokens that are in the cache
  SequenceCache cache;
};

}  // namespace trellis
