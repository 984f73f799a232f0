#include "nn/mlp.h"

namespace trellis {

void Mlp::forward(StepContext& context, const StreamNorm& norm, ResidualStream& stream) const {
  const auto scope = context.workspace.scope();
  const Shape inner = {stream.x.dim(0), gate_.out_features()};
  const Tensor gated = context.workspace.tensor(inner, DType::kFloat32);
  const Tensor upped = context.workspace.tensor(inner, DType::kFloat32);
  context.ops.mlp(
      {norm, &gate_.weight(), &up_.weight(), &down_.weight(), activation_, gated, upped}, stream
  );
}

}  // namespace trellis
