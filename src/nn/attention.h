// Grouped-query self-attention with rotary embedding over the paged cache.
#pragma once

#include "nn/linear.h"
#include "nn/norm.h"

#include <optional>

namespace trellis {

/// The numbers of one attention layer.
struct AttentionShape {
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int window = 0;        // positions seen, itself included; 0 = all before it
  float scale = 0.0f;    // multiplies q.k
  float epsilon = 0.0f;  // of the head norms
};

class Attention {
 public:
  struct Weights {
    Linear query;
    Linear key;
    Linear value;
    Linear output;
    Norm query_norm;  // empty where the model has none
    Norm key_norm;
  };

  /// rope is borrowed from the model, which outlives its layers. layer: index into the cache.
  Attention(Weights weights, const AttentionShape& shape, const RopeArgs& rope, int layer)
      : weights_(std::move(weights)), shape_(shape), rope_(rope), layer_(layer) {}

  /// Adds the layer of the normalised stream to the stream.
  void forward(StepContext& context, const StreamNorm& norm, ResidualStream& stream) const;

 private:
  Weights weights_;
  AttentionShape shape_;
  RopeArgs rope_;
  int layer_;
};

}  // namespace trellis
