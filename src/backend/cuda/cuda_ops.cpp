#include "backend/cuda/cuda_ops.h"

#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_gemv.h"
#include "backend/cuda/kernels/exl3_rotate.h"
#include "backend/cuda/kernels/flash_attention.h"
#include "backend/cuda/kernels/half_matmul.h"
#include "backend/cuda/kernels/kv_store.h"
#include "backend/cuda/kernels/norm.h"
#include "backend/cuda/kernels/rope.h"
#include "backend/cuda/kernels/rows.h"

#include <algorithm>
#include <array>

namespace trellis::cuda {
namespace {

/// Decoded weights that exist at a time: what stays in the L2 cache of a large GPU.
constexpr int64_t kSliceBytes = int64_t{32} << 20;
/// Calls of so many rows take the kernels for few rows, larger ones those of the tensor cores. What
/// is rounded, and so the bits of a row, depends on this number alone. Several passes of the GEMV
/// beat decoding to memory up to here.
constexpr int64_t kFewRows = 32;
constexpr size_t kMostLayers = 8;

static_assert(kDequantizeColumns % kMatmulColumns == 0, "a slice is whole tiles of the product");

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

  const bool rounds = activations_ == ActivationPrecision::kAuto && problem.rows > kFewRows;
  if (rounds && flash_attention_fits(problem, limits_.shared_bytes)) {
    return flash_attention(stream_, problem);
  }
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
  TRELLIS_CHECK(weights.size() <= kMostLayers, "at most 8 layers in a group");
  std::array<const CudaLinear*, kMostLayers> all{};
  for (size_t i = 0; i < weights.size(); ++i) {
    all[i] = &cuda_linear(*weights[i], backend_);
    TRELLIS_CHECK_EQ(x.row_size(), all[i]->in_features(), "inputs of the layer");
    TRELLIS_CHECK_EQ(outputs[i].row_size(), all[i]->out_features(), "outputs of the layer");
    TRELLIS_CHECK_EQ(x.rows(), outputs[i].rows(), "one output row per input row");
  }
  const std::span layers = std::span(all).first(weights.size());
  if (const int64_t at_once = gemv_rows(layers, x.rows()); at_once > 0) {
    return exl3_by_gemv(x, layers, outputs, at_once);
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::span layer = layers.subspan(i, 1);
    if (!layers[i]->is_exl3()) {
      dense(x, *layers[i], outputs[i]);
    } else if (const int64_t at_once = gemv_rows(layer, x.rows()); at_once > 0) {
      exl3_by_gemv(x, layer, outputs.subspan(i, 1), at_once);
    } else if (activations_ == ActivationPrecision::kAuto) {
      exl3_by_matmul(x, *layers[i], outputs[i]);
    } else {
      exl3_by_dequantizing(x, *layers[i], outputs[i]);
    }
  }
}

int64_t CudaOps::gemv_rows(std::span<const CudaLinear* const> layers, int64_t rows) const {
  if (activations_ == ActivationPrecision::kFloat32 || rows > kFewRows) return 0;
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

QuantizeProblem CudaOps::quantize(ConstTensor x, std::span<const CudaLinear* const> layers) {
  const int64_t rows = x.rows();
  QuantizeProblem problem;
  problem.num_matrices = static_cast<int>(layers.size());
  problem.x = floats(x);
  problem.rows = rows;
  problem.in_features = x.row_size();
  for (size_t i = 0; i < layers.size(); ++i) {
    const Exl3Matrix& matrix = layers[i]->exl3();
    QuantizedInput& input = problem.out[i];
    input.stride = quantized_stride(matrix);
    input.integers = workspace_.tensor({rows, input.stride}, DType::kInt16).as<int16_t>();
    input.scales = workspace_.tensor({rows, input.stride / 128}, DType::kFloat32).as<float>();
    problem.suh[i] = matrix.suh;
  }
  exl3_quantize_input(stream_, problem);
  return problem;
}

void CudaOps::exl3_by_gemv(
    ConstTensor x, std::span<const CudaLinear* const> layers, std::span<const Tensor> outputs,
    int64_t at_once
) {
  const Exl3Layout& layout = layers[0]->exl3().layout;
  const int64_t rows = x.rows();
  const auto scope = workspace_.scope();
  const QuantizeProblem quantized = quantize(x, layers);
  GemvProblem gemv;
  gemv.num_matrices = static_cast<int>(layers.size());
  gemv.bits = layout.bits;
  gemv.codebook = layers[0]->exl3().codebook;
  gemv.chunks = static_cast<int>(layout.chunks());
  std::array<RotatedOutput, kMostMatrices> rotated{};
  for (size_t i = 0; i < layers.size(); ++i) {
    const Exl3Matrix& matrix = layers[i]->exl3();
    const Tensor inner = workspace_.tensor({rows, matrix.padded_out()}, DType::kFloat32);
    rotated[i] = rotated_output(matrix, inner.as<float>(), floats(outputs[i]));
    gemv.matrices[i].words = matrix.words;
    gemv.matrices[i].groups = static_cast<int>(matrix.layout.groups());
    gemv.matrices[i].input = quantized.out[i];
    gemv.matrices[i].y = inner.as<float>();
  }
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    gemv.rows = static_cast<int>(std::min(at_once, rows - begin));
    exl3_gemv(stream_, gemv, limits_.num_sms);
    for (size_t i = 0; i < layers.size(); ++i) {
      QuantizedInput& input = gemv.matrices[i].input;
      input.integers += gemv.rows * input.stride;
      input.scales += gemv.rows * (input.stride / 128);
      gemv.matrices[i].y += gemv.rows * rotated[i].padded_out;
    }
  }
  exl3_rotate_outputs(stream_, std::span(rotated).first(layers.size()), rows);
}

void CudaOps::dense(ConstTensor x, const CudaLinear& layer, Tensor y) {
  DenseProblem problem = layer.dense();
  problem.x = floats(x);
  problem.y = floats(y);
  problem.rows = x.rows();
  problem.y_stride = problem.out;
  dense_linear(stream_, problem);
}

template <typename Multiply>
void CudaOps::multiply_slices(const Exl3Matrix& matrix, Tensor y, const Multiply& multiply) {
  const int64_t in = matrix.padded_in();
  const int64_t out = matrix.padded_out();
  const int64_t rows = y.rows();
  const int64_t slice = std::clamp(
      kSliceBytes / (2 * in) / kDequantizeColumns * kDequantizeColumns, kDequantizeColumns, out
  );
  const Tensor inner = workspace_.tensor({rows, out}, DType::kFloat32);
  const Tensor weights = workspace_.tensor({slice, in}, DType::kFloat16);
  for (int64_t begin = 0; begin < out; begin += slice) {
    const int64_t end = std::min(begin + slice, out);
    exl3_dequantize(stream_, matrix, begin, end, weights.as<uint16_t>());
    multiply(weights.slice_rows(0, end - begin), inner.as<float>() + begin);
  }
  const RotatedOutput outputs[] = {rotated_output(matrix, inner.as<float>(), floats(y))};
  exl3_rotate_outputs(stream_, outputs, rows);
}

void CudaOps::exl3_by_matmul(ConstTensor x, const CudaLinear& layer, Tensor y) {
  const Exl3Matrix& matrix = layer.exl3();
  const int64_t in = matrix.padded_in();
  const int64_t rows = x.rows();
  const auto scope = workspace_.scope();
  const CudaLinear* layers[] = {&layer};
  const QuantizeProblem quantized = quantize(x, layers);
  const Tensor halves = workspace_.tensor({rows, in}, DType::kFloat16);
  const Tensor units = workspace_.tensor({rows}, DType::kFloat32);
  halves_of_quantized(
      stream_, quantized.out[0], halves.as<uint16_t>(), units.as<float>(), rows, in
  );
  multiply_slices(matrix, y, [&](ConstTensor weights, float* inner) {
    HalfMatmulProblem problem;
    problem.a = halves.as<uint16_t>();
    problem.units = units.as<float>();
    problem.weight = weights.as<uint16_t>();
    problem.y = inner;
    problem.rows = rows;
    problem.in = in;
    problem.out = weights.rows();
    problem.y_stride = matrix.padded_out();
    half_matmul(stream_, problem);
  });
}

void CudaOps::exl3_by_dequantizing(ConstTensor x, const CudaLinear& layer, Tensor y) {
  const Exl3Matrix& matrix = layer.exl3();
  const int64_t in = matrix.padded_in();
  const int64_t rows = x.rows();
  const auto scope = workspace_.scope();
  const Tensor rotated = workspace_.tensor({rows, in}, DType::kFloat32);
  exl3_rotate_input(stream_, matrix, floats(x), rotated.as<float>(), rows);
  multiply_slices(matrix, y, [&](ConstTensor weights, float* inner) {
    DenseProblem problem;
    problem.weight = weights.data();
    problem.type = FloatType::kFloat16;
    problem.x = rotated.as<float>();
    problem.y = inner;
    problem.rows = rows;
    problem.in = in;
    problem.out = weights.rows();
    problem.stride = in;
    problem.y_stride = matrix.padded_out();
    dense_linear(stream_, problem);
  });
}

}  // namespace trellis::cuda
