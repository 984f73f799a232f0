// One transformer layer: attention and feed-forward, each behind a norm, each added to the residual
// stream.
#pragma once

#include "nn/attention.h"
#include "nn/mlp.h"

namespace trellis {

class Block {
 public:
  Block(Norm attention_norm, Attention attention, Norm mlp_norm, Mlp mlp, float epsilon)
      : attention_norm_(std::move(attention_norm)),
        attention_(std::move(attention)),
        mlp_norm_(std::move(mlp_norm)),
        mlp_(std::move(mlp)),
        epsilon_(epsilon) {}

  void forward(StepContext& context, ResidualStream& stream) const {
    const auto scope = context.workspace.scope();
    const Tensor normed = context.workspace.tensor(stream.x.shape(), DType::kFloat32);
    attention_.forward(context, {attention_norm_.weight, epsilon_, normed}, stream);
    mlp_.forward(context, {mlp_norm_.weight, epsilon_, normed}, stream);
  }

 private:
  Norm attention_norm_;
  Attention attention_;
  Norm mlp_norm_;
  Mlp mlp_;
  float epsilon_;
};

}  // namespace trellis
