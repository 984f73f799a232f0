// Makes tokens impossible.
#pragma once

#include "base/token_mask.h"
#include "sampling/candidates.h"

#include <span>

namespace trellis {

/// The candidates must still be in order of their ids; others than theirs are ignored.
inline void ban_tokens(std::span<const int32_t> ids, Candidates& candidates) {
  for (const int32_t id : ids) {
    if (id >= 0 && static_cast<size_t>(id) < candidates.size()) {
      candidates.items()[static_cast<size_t>(id)].logit = -INFINITY;
    }
  }
}

/// Makes all others impossible.
inline void keep_allowed(const TokenMask& allowed, Candidates& candidates) {
  for (Candidate& item : candidates.items()) {
    if (!allowed.allows(item.id)) item.logit = -INFINITY;
  }
}

}  // namespace trellis
