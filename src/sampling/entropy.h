// How uncertain the next token is.
#pragma once

#include "sampling/candidates.h"

namespace trellis {

/// Shannon's entropy of the softmax over the candidates, in nats.
double entropy(const Candidates& candidates);

}  // namespace trellis
