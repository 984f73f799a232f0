// The frequencies of the rotary embedding, once per model: every long-context scaling is a change
// of these numbers.
#pragma once

#include "checkpoint/model_config.h"

#include <cstdint>
#include <vector>

namespace trellis {

struct RopeFrequencies {
  std::vector<float> inverse_frequency;  // [rotary_dim / 2], radians per position
  float attention_factor = 1.0f;         // multiplies cos and sin
};

/// Computes them for heads of rotary_dim numbers. max_positions is the model's
/// max_position_embeddings, used where the configuration does not name the original context.
/// Sources: Su et al. 2021; linear: Chen et al. 2023; llama3: the Llama 3.1 model card; yarn: Peng
/// et al. 2023, eq. 17-23.
RopeFrequencies rope_frequencies(const RopeConfig& rope, int64_t rotary_dim, int64_t max_positions);

}  // namespace trellis
