// A model as data: which tensors it has, their sizes and how the layers are put together. An
// architecture's file turns a ModelConfig into this; Model builds itself from it and knows no
// architecture.
#pragma once

#include "checkpoint/model_config.h"
#include "nn/attention.h"

#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct LinearSpec {
  std::string key;  // tensor name without ".weight"
  int64_t in = 0;
  int64_t out = 0;
  bool bias = false;
};

struct NormSpec {
  std::string name;
  int64_t size = 0;
};

struct AttentionSpec {
  LinearSpec query, key, value, output;
  std::optional<NormSpec> query_norm, key_norm;  // over each head
  AttentionShape shape;
};

struct LayerSpec {
  NormSpec attention_norm;
  AttentionSpec attention;
  NormSpec mlp_norm;
  LinearSpec gate, up, down;
};

struct ModelSpec {
  std::string embedding;  // [vocab, hidden]
  std::vector<LayerSpec> layers;
  NormSpec final_norm;
  bool tied_head = false;
};

}  // namespace trellis
