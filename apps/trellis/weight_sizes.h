// Bytes of a model's weights, from its sizes alone, before anything is loaded.
#pragma once

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

#include <cstddef>

namespace trellis {

struct WeightSizes {
  size_t linear_bytes = 0;     // linear layers and the head: what each step streams
  size_t embedding_bytes = 0;  // token embedding and norms

  size_t total() const { return linear_bytes + embedding_bytes; }
};

/// Of a checkpoint. Throws UserError if a tensor of the model is missing.
WeightSizes weight_sizes(const Checkpoint& checkpoint, const ModelConfig& config);

/// Of random weights in the shape of a model, `bits` per weight in the layers.
WeightSizes random_weight_sizes(const ModelConfig& config, int bits, int head_bits);

}  // namespace trellis
