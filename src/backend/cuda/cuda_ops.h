// The ops on a GPU: checks shapes, picks the kernels, and puts them into the stream. Nothing here
// waits for the device.
#pragma once

#include "backend/backend.h"

#include <cuda_runtime.h>

namespace trellis::cuda {

class CudaLinear;

class CudaOps final : public Ops {
 public:
  CudaOps(
      const Backend& backend, cudaStream_t stream, Workspace& workspace,
      ActivationPrecision activations
  )
      : backend_(backend), stream_(stream), workspace_(workspace), activations_(activations) {}

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

 private:
  void dense(ConstTensor x, const CudaLinear& layer, Tensor y);
  /// Decodes to fp16 in slices, multiplies them as dense weights: any format, any number of rows.
  void exl3_by_dequantizing(ConstTensor x, const CudaLinear& layer, Tensor y);

  const Backend& backend_;
  cudaStream_t stream_;
  Workspace& workspace_;
  ActivationPrecision activations_;
};

}  // namespace trellis::cuda
