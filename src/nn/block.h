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

  /// x: [tokens, hidden] fp32, in place.
  void forward(StepContext& context, Tensor x) const {
    const auto scope = context.workspace.scope();
    const Tensor h = context.workspace.tensor(x.shape(), DType::kFloat32);
    context.ops.rms_norm(x, attention_norm_.weight, epsilon_, h);
    attention_.forward(context, h, h);
    context.ops.add_rms_norm(x, h, mlp_norm_.weight, epsilon_, h);
    mlp_.forward(context, h, h);
    context.ops.add(x, h);
  }

 private:
  Norm attention_norm_;
  Attention attention_;
  Norm mlp_norm_;
  Mlp mlp_;
  float epsilon_;
};

}  // namespace trellis
