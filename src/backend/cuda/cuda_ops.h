// The ops on a GPU: checks shapes, picks the kernels, and puts them into the stream. Nothing here
// waits for the device.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/kernels/exl3_quantize.h"

#include <cuda_runtime.h>

#include <span>

namespace trellis::cuda {

class CudaLinear;

/// What the choice of kernels depends on.
struct DeviceLimits {
  int num_sms = 0;
  int64_t shared_bytes = 0;  // that a CTA can ask for
};

class CudaOps final : public Ops {
 public:
  CudaOps(
      const Backend& backend, cudaStream_t stream, Workspace& workspace,
      ActivationPrecision activations, const DeviceLimits& limits
  )
      : backend_(backend),
        stream_(stream),
        workspace_(workspace),
        activations_(activations),
        limits_(limits) {}

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

 private:
  void dense(ConstTensor x, const CudaLinear& layer, Tensor y);
  /// How many rows of these layers one pass over their weights can serve: 0 if they do not go
  /// together or not through the GEMV at all.
  int64_t gemv_rows(std::span<const CudaLinear* const> layers, int64_t rows) const;
  /// Rounds the input of layers that share it to 16 bits, into the workspace's current scope.
  QuantizeProblem quantize(ConstTensor x, std::span<const CudaLinear* const> layers);
  /// Streams the weights over rounded inputs, at_once rows a pass: layers that share their input,
  /// in one launch.
  void exl3_by_gemv(
      ConstTensor x, std::span<const CudaLinear* const> layers, std::span<const Tensor> outputs,
      int64_t at_once
  );
  /// Multiplies rounded inputs with decoded slices on the tensor cores: many rows.
  void exl3_by_matmul(ConstTensor x, const CudaLinear& layer, Tensor y);
  /// Multiplies exact inputs with decoded slices as dense weights: any format, any number of rows.
  void exl3_by_dequantizing(ConstTensor x, const CudaLinear& layer, Tensor y);
  /// y from products with slices of the decoded matrix: multiply(weights, inner) fills as many
  /// columns of inner, whose rows are padded_out numbers apart, as weights has rows of fp16.
  template <typename Multiply>
  void multiply_slices(const Exl3Matrix& matrix, Tensor y, const Multiply& multiply);

  const Backend& backend_;
  cudaStream_t stream_;
  Workspace& workspace_;
  ActivationPrecision activations_;
  DeviceLimits limits_;
};

}  // namespace trellis::cuda
