// The CPU backend's ops: checks shapes, splits the work over the pool, and calls the instruction
// set's kernels. No arithmetic of its own but the angles of the rotation.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "base/thread_pool.h"

namespace trellis::cpu {

class CpuOps final : public Ops {
 public:
  CpuOps(
      const Backend& backend, ThreadPool& pool, Workspace& workspace, const KernelTable& kernels,
      ActivationPrecision activations
  )
      : backend_(backend),
        pool_(pool),
        workspace_(workspace),
        kernels_(kernels),
        activations_(activations) {}

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

  void add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out)
      override;
  void linear_group(
      ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
  ) override;
  void norm_rope_store(const NormRopeStoreArgs& args, const DeviceStep& step) override;

 private:
  struct Rotation;

  /// body(row) for every row, on several threads when all rows together have many numbers.
  void for_rows(int64_t rows, int64_t numbers_per_row, const std::function<void(int64_t)>& body);
  /// Cosines and sines of every row's angles; they live in the workspace's current scope.
  Rotation rotation(ConstTensor positions, const RopeArgs& args);
  /// Rounds a row of keys or values, [kv_heads * head_dim], to the type of its side of the cache.
  void store_row(const float* row, int64_t slot, const KvSide& side) const;

  const Backend& backend_;
  ThreadPool& pool_;
  Workspace& workspace_;
  const KernelTable& kernels_;
  ActivationPrecision activations_;
};

}  // namespace trellis::cpu
