// Keeps the k most probable tokens. Source: Fan et al. 2018.
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// k > 0. On ties at the border the lower ids stay.
inline void apply_top_k(int k, Candidates& candidates) {
  candidates.sort_front(static_cast<size_t>(k));
  candidates.keep_front(static_cast<size_t>(k));
}

}  // namespace trellis
