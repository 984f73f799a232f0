#include "backend/cuda/cuda_ops.h"

#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_gemv.h"
#include "backend/cuda/kernels/exl3_rotate.h"
#include "backend/cuda/kernels/half_matmul.h"
#include "backend/cuda/kernels/kv_store.h"
#include "backend/cuda/kernels/norm.h"
#include "backend/cuda/kernels/rope.h"
#include "backend/cuda/kernels/rows.h"

#include <algorithm>
#include <array>
#include <vector>

namespace trellis::cuda {
namespace {

/// Decoded weights that exist at a time: what stays in the L2 cache of a large GPU.
constexpr int64_t kSliceBytes = int64_t{32} << 20;
/// Rows up to which several passes of the GEMV beat decoding to memory.
constexpr int64_t kMostRowsByGemv = 32;

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
  const PackedLinear* weights[] = {&weight};
  const Tensor outputs[] = {y};
  linear_group(x, weights, outputs);
}

void CudaOps::linear_group(
    ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
) {
  TRELLIS_CHECK_EQ(weights.size(), outputs.size(), "one output per weight");
  std::vector<const CudaLinear*> layers;
  for (size_t i = 0; i < weights.size(); ++i) {
    layers.push_back(&cuda_linear(*weights[i], backend_));
    TRELLIS_CHECK_EQ(x.row_size(), layers[i]->in_features(), "inputs of the layer");
    TRELLIS_CHECK_EQ(outputs[i].row_size(), layers[i]->out_features(), "outputs of the layer");
    TRELLIS_CHECK_EQ(x.rows(), outputs[i].rows(), "one output row per input row");
  }
  if (gemv_rows(layers, x.rows()) > 0) return exl3_by_gemv(x, layers, outputs);
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::span layer(&layers[i], 1);
    if (!layers[i]->is_exl3()) {
      dense(x, *layers[i], outputs[i]);
    } else if (gemv_rows(layer, x.rows()) > 0) {
      exl3_by_gemv(x, layer, outputs.subspan(i, 1));
    } else if (activations_ == ActivationPrecision::kAuto) {
      exl3_by_matmul(x, *layers[i], outputs[i]);
    } else {
      exl3_by_dequantizing(x, *layers[i], outputs[i]);
    }
  }
}

int64_t CudaOps::gemv_rows(std::span<const CudaLinear* const> layers, int64_t rows) const {
  if (activations_ == ActivationPrecision::kFloat32 || rows > kMostRowsByGemv) return 0;
  if (layers.size() > kMostMatrices || !layers[0]->is_exl3()) return 0;
  const Exl3Matrix& first = layers[0]->exl3();
  if (first.padded_in() > kMostGemvInputs) return 0;
  for (const CudaLinear* layer : layers) {
    const bool alike = layer->is_exl3() && layer->exl3().layout.bits == first.layout.bits &&
                       layer->exl3().codebook == first.codebook;
    if (!alike) return 0;
  }
  for (int64_t at_once : {rows, int64_t{8}, int64_t{4}, int64_t{1}}) {
    at_once = std::min(at_once, rows);
    const bool fits = exl3_gemv_fits(
        first.layout.bits, first.codebook, first.layout.chunks(), at_once, limits_.shared_bytes
    );
    if (fits) return at_once;
  }
  return 0;
}

void CudaOps::exl3_by_gemv(
    ConstTensor x, std::span<const CudaLinear* const> layers, std::span<const Tensor> outputs
) {
  const Exl3Matrix& first = layers[0]->exl3();
  const int64_t rows = x.rows();
  const auto scope = workspace_.scope();
  QuantizeProblem quantize;
  GemvProblem gemv;
  quantize.num_matrices = gemv.num_matrices = static_cast<int>(layers.size());
  quantize.x = floats(x);
  quantize.rows = rows;
  quantize.in_features = first.in_features;
  quantize.padded_in = first.padded_in();
  gemv.bits = first.layout.bits;
  gemv.codebook = first.codebook;
  gemv.chunks = static_cast<int>(first.layout.chunks());
  std::array<float*, kMostMatrices> inner{};
  for (size_t i = 0; i < layers.size(); ++i) {
    const Exl3Matrix& matrix = layers[i]->exl3();
    QuantizedInput& input = quantize.out[i];
    input.stride = quantized_stride(matrix);
    input.integers = workspace_.tensor({rows, input.stride}, DType::kInt16).as<int16_t>();
    input.scales = workspace_.tensor({rows, input.stride / 128}, DType::kFloat32).as<float>();
    quantize.suh[i] = matrix.suh;
    inner[i] = workspace_.tensor({rows, matrix.padded_out()}, DType::kFloat32).as<float>();
    gemv.matrices[i].words = matrix.words;
    gemv.matrices[i].groups = static_cast<int>(matrix.layout.groups());
  }
  exl3_quantize_input(stream_, quantize);
  const int64_t at_once = gemv_rows(layers, rows);
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    gemv.rows = static_cast<int>(std::min(at_once, rows - begin));
    for (size_t i = 0; i < layers.size(); ++i) {
      const QuantizedInput& all = quantize.out[i];
      gemv.matrices[i].input = {
          all.integers + begin * all.stride, all.scales + begin * (all.stride / 128), all.stride
      };
      gemv.matrices[i].y = inner[i] + begin * layers[i]->exl3().padded_out();
    }
    exl3_gemv(stream_, gemv, limits_.num_sms);
  }
  std::vector<RotatedOutput> rotated;
  for (size_t i = 0; i < layers.size(); ++i) {
    rotated.push_back(rotated_output(layers[i]->exl3(), inner[i], floats(outputs[i])));
  }
  exl3_rotate_outputs(stream_, rotated, rows);
}

void CudaOps::dense(ConstTensor x, const CudaLinear& layer, Tensor y) {
  DenseProblem problem = layer.dense();
  problem.x = floats(x);
  problem.y = floats(y);
  problem.rows = x.rows();
  problem.y_stride = problem.out;
  dense_linear(stream_, problem);
}

void CudaOps::exl3_by_matmul(ConstTensor x, const CudaLinear& layer, Tensor y) {
  const Exl3Matrix& matrix = layer.exl3();
  const int64_t in = matrix.padded_in();
  const int64_t out = matrix.padded_out();
  const int64_t rows = x.rows();
  const int64_t slice =
      std::clamp(kSliceBytes / (2 * in) / kMatmulColumns * kMatmulColumns, kMatmulColumns, out);
  const auto scope = workspace_.scope();
  QuantizeProblem quantize;
  quantize.num_matrices = 1;
  quantize.suh[0] = matrix.suh;
  quantize.x = floats(x);
  quantize.rows = rows;
  quantize.in_features = matrix.in_features;
  quantize.padded_in = in;
  QuantizedInput& input = quantize.out[0];
  input.stride = quantized_stride(matrix);
  input.integers = workspace_.tensor({rows, input.stride}, DType::kInt16).as<int16_t>();
  input.scales = workspace_.tensor({rows, input.stride / 128}, DType::kFloat32).as<float>();
  const Tensor halves = workspace_.tensor({rows, in}, DType::kFloat16);
  const Tensor units = workspace_.tensor({rows}, DType::kFloat32);
  const Tensor inner = workspace_.tensor({rows, out}, DType::kFloat32);
  const Tensor weights = workspace_.tensor({slice, in}, DType::kFloat16);
  exl3_quantize_input(stream_, quantize);
  halves_of_quantized(stream_, input, halves.as<uint16_t>(), units.as<float>(), rows, in);
  for (int64_t begin = 0; begin < out; begin += slice) {
    const int64_t end = std::min(begin + slice, out);
    exl3_dequantize(stream_, matrix, begin, end, weights.as<uint16_t>());
    HalfMatmulProblem problem;
    problem.a = halves.as<uint16_t>();
    problem.units = units.as<float>();
    problem.weight = weights.as<uint16_t>();
    problem.y = inner.as<float>() + begin;
    problem.rows = rows;
    problem.in = in;
    problem.out = end - begin;
    problem.y_stride = out;
    half_matmul(stream_, problem);
  }
  const RotatedOutput outputs[] = {rotated_output(matrix, inner.as<float>(), floats(y))};
  exl3_rotate_outputs(stream_, outputs, rows);
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
  const RotatedOutput outputs[] = {rotated_output(matrix, inner.as<float>(), floats(y))};
  exl3_rotate_outputs(stream_, outputs, rows);
}

}  // namespace trellis::cuda
