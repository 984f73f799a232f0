#include "nn/attention.h"

namespace trellis {

void Attention::forward(StepContext& context, const StreamNorm& norm, ResidualStream& stream)
    const {
  const auto scope = context.workspace.scope();
  const int64_t tokens = stream.x.dim(0);
  const int64_t query_size = int64_t{shape_.num_heads} * shape_.head_dim;
  const int64_t kv_size = int64_t{shape_.num_kv_heads} * shape_.head_dim;
  const Tensor queries = context.workspace.tensor({tokens, query_size}, DType::kFloat32);
  const Tensor keys = context.workspace.tensor({tokens, kv_size}, DType::kFloat32);
  const Tensor values = context.workspace.tensor({tokens, kv_size}, DType::kFloat32);
  const Tensor mixed = context.workspace.tensor({tokens, query_size}, DType::kFloat32);
  const KvLayer cache = context.cache.layer(layer_);

  context.ops.qkv_rope_store(
      stream, norm, {&weights_.query.weight(), &weights_.key.weight(), &weights_.value.weight()},
      {queries, keys, values, weights_.query_norm.weight, weights_.key_norm.weight, shape_.epsilon,
       rope_, cache, shape_.head_dim},
      context.step
  );
  context.ops.attention_linear_add(
      {queries, cache, shape_.scale, shape_.num_heads, shape_.num_kv_heads, shape_.head_dim,
       shape_.window, mixed},
      context.step, weights_.output.weight(), stream
  );
}

}  // namespace trellis
