// The ops on a GPU: checks shapes, picks the kernels, and puts them into the stream. Nothing here
// waits for the device.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/heuristics.h"
#include "backend/cuda/kernels/exl3_quantize.h"
#include "backend/cuda/kernels/exl3_stage_input.h"

#include <cuda_runtime.h>

#include <array>
#include <limits>
#include <span>
#include <string>

namespace trellis::cuda {

class CudaLinear;
struct AttentionProblem;

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

  /// As Backend::independent_rows(): nothing but what is rounded depends on how many rows there
  /// are.
  int64_t independent_rows() const {
    return is_exact() ? std::numeric_limits<int64_t>::max() : kFewRows;
  }

  /// As Backend::describe_block().
  std::string describe_block(const BlockSizes& sizes, int64_t rows) const {
    return cuda::describe_block(limits_, is_exact(), sizes, rows);
  }

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
  bool chooses_tokens() const override { return true; }
  void choose_tokens(const ChooseTokensArgs& args) override;
  void take_chosen(ConstTensor chosen, ConstTensor rows, Tensor token_ids) override;

  void add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out)
      override;
  void linear_group(
      ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
  ) override;
  void settle(ResidualStream& stream) override;
  int64_t stream_parts(int64_t rows, int64_t dim, int64_t inputs) const override;
  void linear_add(ConstTensor x, const PackedLinear& weight, ResidualStream& stream) override;
  void norm_linear_group(
      ResidualStream& stream, const StreamNorm& norm, std::span<const PackedLinear* const> weights,
      std::span<const Tensor> outputs
  ) override;
  void qkv_rope_store(
      ResidualStream& stream, const StreamNorm& norm, const QkvWeights& weights,
      const NormRopeStoreArgs& args, const DeviceStep& step
  ) override;
  void attention_linear_add(
      const AttentionArgs& args, const DeviceStep& step, const PackedLinear& weight,
      ResidualStream& stream
  ) override;
  void mlp(const MlpArgs& args, ResidualStream& stream) override;

 private:
  /// Whether nothing may be rounded.
  bool is_exact() const { return activations_ == ActivationPrecision::kFloat32; }

  using Pass = cuda::Pass;
  /// Layers of one input.
  using Layers = std::span<const CudaLinear* const>;
  using Products = std::array<Exl3Products, kMostMatrices>;
  /// This backend's layers behind what an op is given.
  class LayerList {
   public:
    LayerList(std::span<const PackedLinear* const> weights, const Backend& owner);
    Layers layers() const { return std::span(layers_).first(count_); }

   private:
    static constexpr size_t kMostLayers = 8;
    std::array<const CudaLinear*, kMostLayers> layers_{};
    size_t count_;
  };

  AttentionProblem attention_problem(const AttentionArgs& args, const DeviceStep& step) const;
  /// Memory for what attention() of few rows leaves between its kernels, in the workspace's current
  /// scope.
  void* attention_scratch(const AttentionProblem& problem);
  static void check_linear(ConstTensor x, const CudaLinear& layer, ConstTensor y);
  void dense(ConstTensor x, const CudaLinear& layer, Tensor y);
  /// Whether one launch can serve these layers: EXL3 of the same bits, codebook and inputs.
  static bool go_together(Layers layers);
  /// As choose_pass(), and none where the layers do not go together.
  Pass pass_over(Layers layers, int64_t rows) const;
  /// Rounded rows for layers, in the form that their pass multiplies.
  struct Inputs {
    std::array<QuantizedInput, kMostMatrices> quantized;
    std::array<StagedInput, kMostMatrices> staged;  // for exl3_product()
  };

  /// Memory for the layers' rounded inputs, in the workspace's current scope.
  Inputs room_for_inputs(Layers layers, int64_t rows, const Pass& pass);
  /// Rounds the input of layers that share it.
  void round_inputs(ConstTensor x, Layers layers, const Inputs& inputs, const Pass& pass);
  /// Memory for the layers' products of these inputs, in the workspace's current scope.
  Products room_for_products(Layers layers, const Inputs& inputs, int64_t rows, const Pass& pass);
  /// Multiplies rounded inputs, all layers in one launch a pass.
  void multiply(
      Layers layers, const Inputs& inputs, std::span<const Exl3Products> products, int64_t rows,
      const Pass& pass
  );
  /// Streams the weights over at_once rows a pass.
  void multiply_by_gemv(
      Layers layers, std::span<const QuantizedInput> inputs, std::span<const Exl3Products> products,
      int64_t rows, int64_t at_once
  );
  /// On the tensor cores, whose warps decode the weights.
  void multiply_staged(
      Layers layers, std::span<const StagedInput> inputs, std::span<const Exl3Products> products,
      int64_t rows, const Pass& pass
  );
  /// Finishes products, one output each.
  void rotate_outputs(const Products& products, std::span<const Tensor> outputs);
  /// The layers' outputs by round_inputs(), multiply(), and the rotation of the products.
  void exl3_in_passes(
      ConstTensor x, Layers layers, std::span<const Tensor> outputs, const Pass& pass
  );
  /// Multiplies exact inputs with decoded slices as dense weights: any format, any number of rows.
  void exl3_by_dequantizing(ConstTensor x, const CudaLinear& layer, Tensor y);

  /// pass_over() layers that read the stream, or none where round_normed() cannot serve them.
  Pass normed_pass(const ResidualStream& stream, Layers layers) const;
  /// Settles the stream and rounds its normalised rows for the layers that read them, into the
  /// workspace's current scope.
  Inputs round_normed(
      ResidualStream& stream, const StreamNorm& norm, Layers layers, const Pass& pass
  );
  /// Memory for the rounded input of a layer whose output is to be left in the stream: as
  /// room_for_inputs(), but for the units of the rows, which stand in the stream.
  Inputs room_for_stream_input(
      const CudaLinear& layer, const ResidualStream& stream, const Pass& pass
  );
  /// Multiplies a layer's rounded input and leaves the products as the stream's addend.
  void leave_in_stream(
      const CudaLinear& layer, const Inputs& input, ResidualStream& stream, const Pass& pass
  );

  /// What leave_in_stream() has left.
  Exl3Products unfinished_products(const ResidualStream& stream) const;

  const Backend& backend_;
  cudaStream_t stream_;
  Workspace& workspace_;
  ActivationPrecision activations_;
  DeviceLimits limits_;
};

}  // namespace trellis::cuda
