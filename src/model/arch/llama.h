// The Llama family: Llama 2 and 3, Mistral, Qwen 2 and 3 are one layer with small differences.
#pragma once

#include "model/model_spec.h"

namespace trellis {

ModelSpec llama(const ModelConfig& config);
/// Llama with a norm over each query and key head.
ModelSpec qwen3(const ModelConfig& config);

}  // namespace trellis
