// Log probabilities of the raw model, before any sampling parameter.
#pragma once

#include "trellis/engine.h"

#include <span>

namespace trellis {

/// The natural log probability of token and of the `top` most probable tokens (lower id first on
/// ties). logits: [vocab]; the sum is that of weight_sum().
TokenLogprob raw_logprob(std::span<const float> logits, int32_t token, int top);

}  // namespace trellis
