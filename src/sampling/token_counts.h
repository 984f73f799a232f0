// How often each token has come so far, prompt and answer together.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace trellis {

using TokenCounts = std::unordered_map<int32_t, int32_t>;

}  // namespace trellis
