// What the transforms of a request look back on.
#pragma once

#include "sampling/token_history.h"

namespace trellis {

struct SamplingState {
  TokenHistory history;
  float mirostat_mu = 0.0f;  // the most surprise that a token may have, in bits
};

}  // namespace trellis
