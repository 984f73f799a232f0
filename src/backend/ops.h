// The vocabulary of the models: every number a step computes is computed by one of these calls.
// Primitives are pure virtual; fused ops have a default body made of primitives (ops.cpp) and are
// overridden only for speed.
//
// For all ops: the residual stream is fp32; activations are fp32 on the host backends; a row's
// result never depends on how many rows share the call. Inside a step nothing allocates but the
// workspace, and nothing throws but DeviceError.
#pragma once

#include "backend/args.h"
#include "backend/packed_linear.h"
#include "tensor/tensor.h"

#include <span>

namespace trellis {

class Ops {
 public:
  virtual ~Ops() = default;

  /// Looks up rows: out[t] = table[token_ids[t]]. table: [vocab, hidden] fp16, bf16 or fp32. out:
  /// [tokens, hidden] fp32. Every id must lie in [0, vocab).
  virtual void embed(ConstTensor token_ids, ConstTensor table, Tensor out) = 0;

  /// Normalises each row to unit root mean square, then scales it: y = x / sqrt(mean(x^2) +
  /// epsilon) * weight. x, y: [rows, dim] fp32, y may alias x. weight: [dim] fp32. Source: Zhang &
  /// Sennrich 2019 (RMSNorm).
  virtual void rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) = 0;

  /// y = x W^T + bias. x: [tokens, in] fp32, y: [tokens, out] fp32, not aliased.
  virtual void linear(ConstTensor x, const PackedLinear& weight, Tensor y) = 0;

  /// Rotates every head of x in place by its row's position. x: [tokens, heads * head_dim] fp32;
  /// the first 2 * |inverse_frequency| numbers of a head turn, the rest stay. Source: Su et al.
  /// 2021 (RoFormer), in the half-split layout of Hugging Face.
  virtual void rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) = 0;

  /// Stores rows of keys and values ([tokens, kv_heads * head_dim] fp32) into the cache at slots
  /// ([tokens] i32).
  virtual void kv_store(
      ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
  ) = 0;

  /// Causal grouped-query attention over the paged cache; summed in spans that follow from the
  /// row's position alone, on the CPU of kPageTokens positions. Source: Vaswani et al. 2017;
  /// Ainslie et al. 2023 (GQA); spans merged as in Milakov & Gimelshein 2018.
  virtual void attention(const AttentionArgs& args, const DeviceStep& step) = 0;

  /// out = activation(gate) * up, elementwise. All [tokens, intermediate] fp32; out may alias gate
  /// or up.
  virtual void gated_activation(
      Activation activation, ConstTensor gate, ConstTensor up, Tensor out
  ) = 0;

  /// x += y. Both [tokens, hidden] fp32.
  virtual void add(Tensor x, ConstTensor y) = 0;

  /// out[i] = x[rows[i]]. x: [tokens, dim] fp32, rows: [n] i32, out: [n, dim] fp32.
  virtual void gather_rows(ConstTensor x, ConstTensor rows, Tensor out) = 0;

  // --- The choice of tokens, for backends far from the host: sampling/ makes the same choice.

  /// Whether choose_tokens() may be called.
  virtual bool chooses_tokens() const { return false; }

  /// Chooses a token from each row of logits as token_choice.h says, bit for bit as sampling/ does.
  /// A row's choice depends on nothing but the row.
  virtual void choose_tokens(const ChooseTokensArgs& args);

  /// Takes tokens that were chosen: token_ids[t] = max(chosen[rows[t]], 0) where rows[t] is not
  /// negative; the others stay. token_ids, rows: [tokens] i32, chosen: [any] i32.
  virtual void take_chosen(ConstTensor chosen, ConstTensor rows, Tensor token_ids);

  // --- Fused ops: the default bodies say what they mean.

  /// x += y, then out = rms_norm(x).
  virtual void add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out);

  /// Several linear layers of one input: outputs[i] = linear(x, *weights[i]).
  virtual void linear_group(
      ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
  );

  /// Head norms, rotation, and the append to the cache.
  virtual void norm_rope_store(const NormRopeStoreArgs& args, const DeviceStep& step);

  /// Adds to the stream what is on its way there.
  virtual void settle(ResidualStream& stream);
  /// How many parts the stream of so many rows needs, where layers of up to `inputs` inputs are
  /// added to it.
  virtual int64_t stream_parts(int64_t rows, int64_t dim, int64_t inputs) const;

  /// stream += linear(x, weight). Nothing else may be on its way; this may be, afterwards.
  virtual void linear_add(ConstTensor x, const PackedLinear& weight, ResidualStream& stream);

  /// Linear layers of the normalised stream: settle(), rms_norm(), linear_group().
  virtual void norm_linear_group(
      ResidualStream& stream, const StreamNorm& norm, std::span<const PackedLinear* const> weights,
      std::span<const Tensor> outputs
  );

  /// What attention reads of the normalised stream: norm_linear_group() into args.queries, keys and
  /// values, then norm_rope_store(). Of the three only the queries are of use afterwards.
  virtual void qkv_rope_store(
      ResidualStream& stream, const StreamNorm& norm, const QkvWeights& weights,
      const NormRopeStoreArgs& args, const DeviceStep& step
  );

  /// stream += linear(attention(args), weight). args.output may be written or not: it is of no use
  /// afterwards. Nothing else may be on its way to the stream.
  virtual void attention_linear_add(
      const AttentionArgs& args, const DeviceStep& step, const PackedLinear& weight,
      ResidualStream& stream
  );

  /// stream += down(activation(gate(h)) * up(h)), where h is the normalised stream.
  virtual void mlp(const MlpArgs& args, ResidualStream& stream);
};

}  // namespace trellis
