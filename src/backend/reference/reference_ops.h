// The specification of every op: plain loops, sums in double, results in fp32. Slow and right; each
// test of another backend compares with it. One file per family of ops: embed, norm, linear, rope,
// kv_store, attention, activation.
#pragma once

#include "backend/ops.h"

namespace trellis::reference {

/// One thread, no state but the identity of its backend. The fused ops keep their default bodies.
class ReferenceOps final : public Ops {
 public:
  explicit ReferenceOps(const Backend& backend) : backend_(backend) {}

  void embed(ConstTensor token_ids, ConstTensor table, Tensor out) override;
  void rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) override;
  void linear(ConstTensor x, const PackedLinear& weight, Tensor y) override;
  void rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) override;
  void kv_store(ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache)
      override;
  void attention(const AttentionArgs& args, const DeviceStep& step) override;
  void gated_activation(Activation activation, ConstTensor gate, ConstTensor up, Tensor out)
      override;
  void add(Tensor x, ConstTensor y) override;
  void gather_rows(ConstTensor x, ConstTensor rows, Tensor out) override;

 private:
  const Backend& backend_;
};

}  // namespace trellis::reference
