#include "backend/cuda/cuda_ops.h"

#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_rotate.h"
#include "backend/cuda/kernels/kv_store.h"
#include "backend/cuda/kernels/norm.h"
#include "backend/cuda/kernels/rope.h"
#include "backend/cuda/kernels/rows.h"

#include <algorithm>

namespace trellis::cuda {
namespace {

/// Decoded weights that exist at a time: what stays in the L2 cache of a large GPU.
constexpr int64_t kSliceBytes = int64_t{32} << 20;

FloatType float_type(DType dtype) {
  TRELLIS_CHECK(
      dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16,
      "numbers of fp32, fp16 or bf16"
  );
  if (dtype == DType::kFloat32) return FloatType::kFloat32;
  return dtype == DType::kFloat16 ? FloatType::kFloat16 : FloatType::kBFloat16;
}

KvRows kv_rows(const KvSide& side) {
  KvRows rows;
  rows.numbers = side.numbers.data();
  rows.scales = static_cast<uint16_t*>(side.scales.data());
  rows.bits = kv_bits(side.type());
  return rows;
}

/// The numbers of a tensor whose rows follow one another.
const float* floats(ConstTensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "kernels need contiguous rows");
  return tensor.as<float>();
}
float* floats(Tensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "kernels need contiguous rows");
  return tensor.as<float>();
}

}  // namespace

void CudaOps::embed(ConstTensor token_ids, ConstTensor table, Tensor out) {
  TRELLIS_CHECK_EQ(token_ids.numel(), out.rows(), "one id per row");
  TRELLIS_CHECK_EQ(table.dim(1), out.row_size(), "width of the embedding");
  cuda::embed(
      stream_, token_ids.as<int32_t>(), table.data(), float_type(table.dtype()), floats(out),
      out.rows(), out.row_size()
  );
}

void CudaOps::rms_norm(ConstTensor x, ConstTensor weight, float epsilon, Tensor y) {
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  cuda::rms_norm(
      stream_, floats(x), weight.as<float>(), epsilon, floats(y), x.rows(), x.row_size()
  );
}

void CudaOps::add_rms_norm(Tensor x, ConstTensor y, ConstTensor weight, float epsilon, Tensor out) {
  TRELLIS_CHECK(x.shape() == y.shape() && x.shape() == out.shape(), "equal shapes");
  TRELLIS_CHECK_EQ(x.row_size(), weight.numel(), "one weight per number of a row");
  cuda::add_rms_norm(
      stream_, floats(x), floats(y), weight.as<float>(), epsilon, floats(out), x.rows(),
      x.row_size()
  );
}

void CudaOps::add(Tensor x, ConstTensor y) {
  TRELLIS_CHECK(x.shape() == y.shape(), "equal shapes");
  cuda::add(stream_, floats(x), floats(y), x.numel());
}

void CudaOps::gated_activation(
    Activation activation, ConstTensor gate, ConstTensor up, Tensor out
) {
  TRELLIS_CHECK(activation == Activation::kSilu, "a known activation");
  TRELLIS_CHECK(gate.shape() == up.shape() && gate.shape() == out.shape(), "equal shapes");
  silu_multiply(stream_, floats(gate), floats(up), floats(out), out.numel());
}

void CudaOps::gather_rows(ConstTensor x, ConstTensor rows, Tensor out) {
  TRELLIS_CHECK_EQ(rows.numel(), out.rows(), "one index per row");
  TRELLIS_CHECK_EQ(x.row_size(), out.row_size(), "equal widths");
  cuda::gather_rows(
      stream_, floats(x), rows.as<int32_t>(), floats(out), out.rows(), out.row_size()
  );
}

void CudaOps::rope(Tensor x, ConstTensor positions, const RopeArgs& args, int head_dim) {
  TRELLIS_CHECK_EQ(positions.numel(), x.rows(), "one position per row");
  const int64_t half = args.inverse_frequency.numel();
  TRELLIS_CHECK(2 * half <= head_dim, "the rotated part of a head");
  cuda::rope(
      stream_, floats(x), positions.as<int32_t>(), args.inverse_frequency.as<float>(),
      args.attention_factor, x.rows(), static_cast<int>(x.row_size() / head_dim), head_dim,
      static_cast<int>(half)
  );
}

void CudaOps::kv_store(
    ConstTensor keys, ConstTensor values, ConstTensor slots, const KvLayer& cache
) {
  TRELLIS_CHECK_EQ(slots.numel(), keys.rows(), "one slot per row");
  const auto store = [&](ConstTensor source, const KvSide& side) {
    cuda::kv_store(
        stream_, floats(source), slots.as<int32_t>(), kv_rows(side), source.rows(),
        static_cast<int>(side.num_kv_heads()), static_cast<int>(side.head_dim())
    );
  };
  store(keys, cache.key_side());
  store(values, cache.value_side());
}

void CudaOps::attention(const AttentionArgs& args, const DeviceStep& step) {
  TRELLIS_CHECK(args.head_dim <= kMostHeadDim, "heads of at most 256 numbers");
  AttentionProblem problem;
  problem.queries = floats(args.queries);
  problem.keys = kv_rows(args.cache.key_side());
  problem.values = kv_rows(args.cache.value_side());
  problem.output = floats(args.output);
  problem.positions = step.positions.as<int32_t>();
  problem.row_begin = step.row_begin.as<int32_t>();
  problem.page_table = step.page_table.as<int32_t>();
  problem.rows = args.queries.rows();
  problem.num_sequences = static_cast<int>(step.kv_length.numel());
  problem.max_pages = static_cast<int>(step.page_table.dim(1));
  problem.heads = args.num_heads;
  problem.kv_heads = args.num_kv_heads;
  problem.head_dim = args.head_dim;
  problem.window = args.window;
  problem.max_kv_length = step.max_kv_length;
  problem.scale = args.scale;

  const auto scope = workspace_.scope();
  const auto bytes = static_cast<int64_t>(attention_scratch_bytes(problem));
  const Tensor scratch = workspace_.tensor({(bytes + 63) / 64, 64}, DType::kUint8);
  cuda::attention(stream_, problem, scratch.data());
}

void CudaOps::linear(ConstTensor x, const PackedLinear& weight, Tensor y) {
  const CudaLinear& layer = cuda_linear(weight, backend_);
  TRELLIS_CHECK_EQ(x.row_size(), layer.in_features(), "inputs of the layer");
  TRELLIS_CHECK_EQ(y.row_size(), layer.out_features(), "outputs of the layer");
  TRELLIS_CHECK_EQ(x.rows(), y.rows(), "one output row per input row");
  if (layer.is_exl3()) {
    exl3_by_dequantizing(x, layer, y);
  } else {
    dense(x, layer, y);
  }
}

void CudaOps::dense(ConstTensor x, const CudaLinear& layer, Tensor y) {
  DenseProblem problem = layer.dense();
  problem.x = floats(x);
  problem.y = floats(y);
  problem.rows = x.rows();
  problem.y_stride = problem.out;
  dense_linear(stream_, problem);
}

void CudaOps::exl3_by_dequantizing(ConstTensor x, const CudaLinear& layer, Tensor y) {
  const Exl3Matrix& matrix = layer.exl3();
  const int64_t in = matrix.padded_in();
  const int64_t out = matrix.padded_out();
  const int64_t rows = x.rows();
  const int64_t slice = std::clamp(
      kSliceBytes / (2 * in) / kDequantizeColumns * kDequantizeColumns, kDequantizeColumns, out
  );
  const auto scope = workspace_.scope();
  const Tensor rotated = workspace_.tensor({rows, in}, DType::kFloat32);
  const Tensor inner = workspace_.tensor({rows, out}, DType::kFloat32);
  const Tensor weights = workspace_.tensor({slice, in}, DType::kFloat16);
  exl3_rotate_input(stream_, matrix, floats(x), rotated.as<float>(), rows);
  for (int64_t begin = 0; begin < out; begin += slice) {
    const int64_t end = std::min(begin + slice, out);
    exl3_dequantize(stream_, matrix, begin, end, weights.as<uint16_t>());
    DenseProblem problem;
    problem.weight = weights.data();
    problem.type = FloatType::kFloat16;
    problem.x = rotated.as<float>();
    problem.y = inner.as<float>() + begin;
    problem.rows = rows;
    problem.in = in;
    problem.out = end - begin;
    problem.stride = in;
    problem.y_stride = out;
    dense_linear(stream_, problem);
  }
  exl3_rotate_output(stream_, matrix, inner.as<float>(), floats(y), rows);
}

}  // namespace trellis::cuda
