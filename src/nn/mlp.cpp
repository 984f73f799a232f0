#include "nn/mlp.h"

#include <array>

namespace trellis {

void Mlp::forward(StepContext& context, ConstTensor x, Tensor y) const {
  const auto scope = context.workspace.scope();
  const int64_t tokens = x.dim(0);
  const Tensor gate = context.workspace.tensor({tokens, gate_.out_features()}, DType::kFloat32);
  const Tensor up = context.workspace.tensor({tokens, up_.out_features()}, DType::kFloat32);
  const std::array<const PackedLinear*, 2> projections = {&gate_.weight(), &up_.weight()};
  const std::array<Tensor, 2> outputs = {gate, up};
  context.ops.linear_group(x, projections, outputs);
  context.ops.gated_activation(activation_, gate, up, gate);
  down_.forward(context, gate, y);
}

}  // namespace trellis
