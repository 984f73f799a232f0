#include "nn/attention.h"

#include <array>

namespace trellis {

void Attention::forward(StepContext& context, ConstTensor x, Tensor y) const {
  const auto scope = context.workspace.scope();
  const int64_t tokens = x.dim(0);
  const int64_t query_size = int64_t{shape_.num_heads} * shape_.head_dim;
  const int64_t kv_size = int64_t{shape_.num_kv_heads} * shape_.head_dim;
  const Tensor queries = context.workspace.tensor({tokens, query_size}, DType::kFloat32);
  const Tensor keys = context.workspace.tensor({tokens, kv_size}, DType::kFloat32);
  const Tensor values = context.workspace.tensor({tokens, kv_size}, DType::kFloat32);
  const Tensor mixed = context.workspace.tensor({tokens, query_size}, DType::kFloat32);
  const KvLayer cache = context.cache.layer(layer_);

  const std::array<const PackedLinear*, 3> projections = {
      &weights_.query.weight(), &weights_.key.weight(), &weights_.value.weight()
  };
  const std::array<Tensor, 3> outputs = {queries, keys, values};
  context.ops.linear_group(x, projections, outputs);
  context.ops.norm_rope_store(
      {queries, keys, values, weights_.query_norm.weight, weights_.key_norm.weight, shape_.epsilon,
       rope_, cache, shape_.head_dim},
      context.step
  );
  context.ops.attention(
      {queries, cache, shape_.scale, shape_.num_heads, shape_.num_kv_heads, shape_.head_dim,
       shape_.window, mixed},
      context.step
  );
  weights_.output.forward(context, mixed, y);
}

}  // namespace trellis
