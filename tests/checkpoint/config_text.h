// A small config.json that is right, for tests to change one thing in.
#pragma once

#include "base/json.h"

namespace trellis {

inline Json config_of(const char* architecture, const char* model_type) {
  return {
      {"architectures", {architecture}}, {"model_type", model_type}, {"hidden_size", 64},
      {"intermediate_size", 128},        {"num_hidden_layers", 3},   {"num_attention_heads", 4},
      {"num_key_value_heads", 2},        {"vocab_size", 100},
  };
}

inline Json llama_config() {
  return config_of("LlamaForCausalLM", "llama");
}

}  // namespace trellis
