// Linear layers: which way a layer takes, by its format and the number of rows.
#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/cuda_ops.h"
#include "backend/cuda/exl3_stage.h"
#include "backend/cuda/kernel_views.h"
#include "backend/cuda/kernels/exl3_dequantize.h"
#include "backend/cuda/kernels/exl3_gemv.h"
#include "backend/cuda/kernels/exl3_product.h"
#include "backend/cuda/kernels/exl3_rotate.h"

#include <algorithm>
#include <array>

namespace trellis::cuda {
namespace {

/// Of layers that go together.
MatrixSizes sizes_of(std::span<const CudaLinear* const> layers) {
  const Exl3Matrix& first = layers[0]->exl3();
  MatrixSizes sizes = {first.layout.bits, first.codebook, first.padded_in(), 0};
  for (const CudaLinear* layer : layers) sizes.padded_out += layer->exl3().padded_out();
  return sizes;
}

}  // namespace

void CudaOps::linear(ConstTensor x, const PackedLinear& weight, Tensor y) {
  const PackedLinear* weights[] = {&weight};
  const Tensor outputs[] = {y};
  linear_group(x, weights, outputs);
}

CudaOps::LayerList::LayerList(std::span<const PackedLinear* const> weights, const Backend& owner)
    : count_(weights.size()) {
  TRELLIS_CHECK(count_ <= kMostLayers, "at most 8 layers in a group");
  for (size_t i = 0; i < count_; ++i) layers_[i] = &cuda_linear(*weights[i], owner);
}

void CudaOps::check_linear(ConstTensor x, const CudaLinear& layer, ConstTensor y) {
  TRELLIS_CHECK_EQ(x.row_size(), layer.in_features(), "inputs of the layer");
  TRELLIS_CHECK_EQ(y.row_size(), layer.out_features(), "outputs of the layer");
  TRELLIS_CHECK_EQ(x.rows(), y.rows(), "one output row per input row");
}

void CudaOps::linear_group(
    ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
) {
  TRELLIS_CHECK_EQ(weights.size(), outputs.size(), "one output per weight");
  const LayerList list(weights, backend_);
  const Layers layers = list.layers();
  for (size_t i = 0; i < layers.size(); ++i) check_linear(x, *layers[i], outputs[i]);
  if (const Pass pass = pass_over(layers, x.rows()))
    return exl3_in_passes(x, layers, outputs, pass);
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layers layer = layers.subspan(i, 1);
    if (!layers[i]->is_exl3()) {
      dense(x, *layers[i], outputs[i]);
    } else if (const Pass pass = pass_over(layer, x.rows())) {
      exl3_in_passes(x, layer, outputs.subspan(i, 1), pass);
    } else {
      exl3_by_dequantizing(x, *layers[i], outputs[i]);
    }
  }
}

bool CudaOps::go_together(Layers layers) {
  if (layers.size() > kMostMatrices || !layers[0]->is_exl3()) return false;
  const Exl3Matrix& first = layers[0]->exl3();
  return std::all_of(layers.begin(), layers.end(), [&](const CudaLinear* layer) {
    return layer->is_exl3() && layer->exl3().layout.bits == first.layout.bits &&
           layer->exl3().codebook == first.codebook &&
           layer->exl3().padded_in() == first.padded_in();
  });
}

Pass CudaOps::pass_over(Layers layers, int64_t rows) const {
  if (!go_together(layers)) return {};
  return choose_pass(limits_, is_exact(), sizes_of(layers), rows);
}

CudaOps::Inputs CudaOps::room_for_inputs(Layers layers, int64_t rows, const Pass& pass) {
  Inputs inputs;
  for (size_t i = 0; i < layers.size(); ++i) {
    const int64_t stride = quantized_stride(layers[i]->exl3());
    if (pass.is_staged) {
      const int64_t steps = stride / kStepInputs;
      const int64_t blocks = stage_halves(rows, steps) / kStepInputs;
      const Tensor halves = workspace_.tensor({blocks, kStepInputs}, DType::kFloat16);
      const Tensor units = workspace_.tensor({rows}, DType::kFloat32);
      inputs.staged[i] = {halves.as<uint16_t>(), units.as<float>(), static_cast<int>(steps)};
    } else {
      const Tensor integers = workspace_.tensor({rows, stride}, DType::kInt16);
      const Tensor scales = workspace_.tensor({rows, stride / 128}, DType::kFloat32);
      inputs.quantized[i] = {integers.as<int16_t>(), scales.as<float>(), stride};
    }
  }
  return inputs;
}

void CudaOps::round_inputs(ConstTensor x, Layers layers, const Inputs& inputs, const Pass& pass) {
  const auto fill = [&](auto problem, const auto& out) {
    problem.num_matrices = static_cast<int>(layers.size());
    problem.x = floats(x);
    problem.rows = x.rows();
    problem.in_features = x.row_size();
    for (size_t i = 0; i < layers.size(); ++i) {
      problem.out[i] = out[i];
      problem.suh[i] = layers[i]->exl3().suh;
    }
    return problem;
  };
  if (pass.is_staged) {
    StageProblem problem = fill(StageProblem(), inputs.staged);
    problem.row_ctas = row_ctas(limits_, problem.rows);
    exl3_stage_input(stream_, problem);
  } else {
    exl3_quantize_input(stream_, fill(QuantizeProblem(), inputs.quantized));
  }
}

CudaOps::Products CudaOps::room_for_products(
    Layers layers, const Inputs& inputs, int64_t rows, const Pass& pass
) {
  const int parts = pass.segments.count;
  Products products;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Exl3Matrix& matrix = layers[i]->exl3();
    const Tensor inner = workspace_.tensor({parts * rows, matrix.padded_out()}, pass.sums);
    products[i] = products_of(matrix, inner.data(), rows);
    products[i].type = float_type(pass.sums);
    products[i].parts = parts;
    if (pass.is_staged) products[i].units = inputs.staged[i].units;
  }
  return products;
}

void CudaOps::multiply(
    Layers layers, const Inputs& inputs, std::span<const Exl3Products> products, int64_t rows,
    const Pass& pass
) {
  if (pass.is_staged) {
    multiply_staged(layers, inputs.staged, products, rows, pass);
  } else {
    multiply_by_gemv(layers, inputs.quantized, products, rows, pass.rows);
  }
}

void CudaOps::multiply_by_gemv(
    Layers layers, std::span<const QuantizedInput> inputs, std::span<const Exl3Products> products,
    int64_t rows, int64_t at_once
) {
  const Exl3Layout& layout = layers[0]->exl3().layout;
  GemvProblem gemv;
  gemv.num_matrices = static_cast<int>(layers.size());
  gemv.bits = layout.bits;
  gemv.codebook = layers[0]->exl3().codebook;
  gemv.chunks = static_cast<int>(layout.chunks());
  for (size_t i = 0; i < layers.size(); ++i) {
    const Exl3Matrix& matrix = layers[i]->exl3();
    gemv.matrices[i].words = matrix.words;
    gemv.matrices[i].groups = static_cast<int>(matrix.layout.groups());
  }
  const GemvDevice device = {limits_.num_sms, limits_.shared_bytes};
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    gemv.rows = static_cast<int>(std::min(at_once, rows - begin));
    for (size_t i = 0; i < layers.size(); ++i) {
      gemv.matrices[i].input = inputs[i].from(begin);
      gemv.matrices[i].y = static_cast<float*>(products[i].inner) + begin * products[i].padded_out;
    }
    exl3_gemv(stream_, gemv, device);
  }
}

void CudaOps::multiply_staged(
    Layers layers, std::span<const StagedInput> inputs, std::span<const Exl3Products> products,
    int64_t rows, const Pass& pass
) {
  const Exl3Matrix& first = layers[0]->exl3();
  StagedProduct problem;
  problem.num_matrices = static_cast<int>(layers.size());
  problem.bits = first.layout.bits;
  problem.codebook = first.codebook;
  problem.chunks = static_cast<int>(first.layout.chunks());
  problem.segments = pass.segments;
  problem.sums = float_type(pass.sums);
  problem.rows = rows;
  for (size_t i = 0; i < layers.size(); ++i) {
    problem.matrices[i].words = layers[i]->exl3().words;
    problem.matrices[i].input = inputs[i];
    problem.matrices[i].y = products[i].inner;
    problem.matrices[i].columns = static_cast<int>(products[i].padded_out);
  }
  exl3_product(stream_, problem, pass.tile);
}

void CudaOps::exl3_in_passes(
    ConstTensor x, Layers layers, std::span<const Tensor> outputs, const Pass& pass
) {
  const auto scope = workspace_.scope();
  const Inputs inputs = room_for_inputs(layers, x.rows(), pass);
  round_inputs(x, layers, inputs, pass);
  const Products products = room_for_products(layers, inputs, x.rows(), pass);
  multiply(layers, inputs, products, x.rows(), pass);
  rotate_outputs(products, outputs);
}

void CudaOps::rotate_outputs(const Products& products, std::span<const Tensor> outputs) {
  std::array<RotatedOutput, kMostMatrices> rotated{};
  for (size_t i = 0; i < outputs.size(); ++i) rotated[i] = {products[i], floats(outputs[i])};
  exl3_rotate_outputs(stream_, std::span(rotated).first(outputs.size()), outputs[0].rows());
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
  const int64_t slice = slice_columns(limits_, in, out);
  const auto scope = workspace_.scope();
  const Tensor rotated = workspace_.tensor({rows, in}, DType::kFloat32);
  const Tensor inner = workspace_.tensor({rows, out}, DType::kFloat32);
  const Tensor weights = workspace_.tensor({slice, in}, DType::kFloat16);
  exl3_rotate_input(stream_, matrix, floats(x), rotated.as<float>(), rows);
  DenseProblem problem;
  problem.weight = weights.data();
  problem.type = FloatType::kFloat16;
  problem.x = rotated.as<float>();
  problem.rows = rows;
  problem.in = in;
  problem.stride = in;
  problem.y_stride = out;
  for (int64_t begin = 0; begin < out; begin += slice) {
    const int64_t end = std::min(begin + slice, out);
    exl3_dequantize(stream_, matrix, begin, end, weights.as<uint16_t>());
    problem.y = inner.as<float>() + begin;
    problem.out = end - begin;
    dense_linear(stream_, problem);
  }
  const RotatedOutput outputs[] = {{products_of(matrix, inner.data(), rows), floats(y)}};
  exl3_rotate_outputs(stream_, outputs, rows);
}

}  // namespace trellis::cuda
