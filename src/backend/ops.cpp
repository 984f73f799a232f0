#include "backend/ops.h"

#include <array>

namespace trellis {

void Ops::choose_tokens(const ChooseTokensArgs&) {
  TRELLIS_CHECK(false, "a backend that chooses tokens");
}

void Ops::take_chosen(ConstTensor, ConstTensor, Tensor) {
  TRELLIS_CHECK(false, "a backend that chooses tokens");
}

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

void Ops::settle(ResidualStream& stream) {
  TRELLIS_CHECK(stream.unfinished == nullptr, "its backend finishes what it has begun");
  if (stream.has_addend) add(stream.x, stream.addend);
  stream.has_addend = false;
}

int64_t Ops::stream_parts(int64_t, int64_t, int64_t) const {
  return 0;
}

void Ops::linear_add(ConstTensor x, const PackedLinear& weight, ResidualStream& stream) {
  TRELLIS_CHECK(!stream.has_addend, "one output on its way at a time");
  linear(x, weight, stream.addend);
  stream.has_addend = true;
}

void Ops::norm_linear_group(
    ResidualStream& stream, const StreamNorm& norm, std::span<const PackedLinear* const> weights,
    std::span<const Tensor> outputs
) {
  if (stream.has_addend && stream.unfinished == nullptr) {
    add_rms_norm(stream.x, stream.addend, norm.weight, norm.epsilon, norm.normed);
    stream.has_addend = false;
  } else {
    settle(stream);
    rms_norm(stream.x, norm.weight, norm.epsilon, norm.normed);
  }
  linear_group(norm.normed, weights, outputs);
}

void Ops::qkv_rope_store(
    ResidualStream& stream, const StreamNorm& norm, const QkvWeights& weights,
    const NormRopeStoreArgs& args, const DeviceStep& step
) {
  const std::array<const PackedLinear*, 3> layers = {weights.query, weights.key, weights.value};
  const std::array<Tensor, 3> outputs = {args.queries, args.keys, args.values};
  norm_linear_group(stream, norm, layers, outputs);
  norm_rope_store(args, step);
}

void Ops::attention_linear_add(
    const AttentionArgs& args, const DeviceStep& step, const PackedLinear& weight,
    ResidualStream& stream
) {
  attention(args, step);
  linear_add(args.output, weight, stream);
}

void Ops::mlp(const MlpArgs& args, ResidualStream& stream) {
  const std::array<const PackedLinear*, 2> weights = {args.gate, args.up};
  const std::array<Tensor, 2> outputs = {args.gated, args.upped};
  norm_linear_group(stream, args.norm, weights, outputs);
  gated_activation(args.activation, args.gated, args.upped, args.gated);
  linear_add(args.gated, *args.down, stream);
}

}  // namespace trellis
