// A linear layer: a packed weight and its sizes. Forward is one op, so tracers and recorders see
// every layer.
#pragma once

#include "backend/packed_linear.h"
#include "nn/step_context.h"

#include <memory>
#include <utility>

namespace trellis {

class Linear {
 public:
  explicit Linear(std::unique_ptr<PackedLinear> weight) : weight_(std::move(weight)) {}

  int64_t in_features() const { return weight_->in_features(); }
  int64_t out_features() const { return weight_->out_features(); }
  const PackedLinear& weight() const { return *weight_; }

  /// x: [tokens, in] -> y: [tokens, out], both fp32.
  void forward(StepContext& context, ConstTensor x, Tensor y) const {
    context.ops.linear(x, *weight_, y);
  }

 private:
  std::unique_ptr<PackedLinear> weight_;
};

}  // namespace trellis
