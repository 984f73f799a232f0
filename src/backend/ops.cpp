#include "backend/ops.h"

namespace trellis {

void Ops::add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out) {
  add(x, y);
  rms_norm(x, weight, epsilon, out);
}

void Ops::linear_group(
    ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
) {
  TRELLIS_CHECK_EQ(weights.size(), outputs.size(), "one output per weight");
  for (size_t i = 0; i < weights.size(); ++i) linear(x, *weights[i], outputs[i]);
}

void Ops::norm_rope_store(const NormRopeStoreArgs& args, const DeviceStep& step) {
  const int64_t head_dim = args.head_dim;
  const auto normalise_heads = [&](Tensor x, ConstTensor weight) {
    if (weight.empty()) return;
    const Tensor heads = x.reshape({x.numel() / head_dim, head_dim});
    rms_norm(heads, weight, args.epsilon, heads);
  };
  normalise_heads(args.queries, args.query_norm);
  normalise_heads(args.keys, args.key_norm);
  rope(args.queries, step.positions, args.rope, args.head_dim);
  rope(args.keys, step.positions, args.rope, args.head_dim);
  kv_store(args.keys, args.values, step.cache_slots, args.cache);
}

}  // namespace trellis
