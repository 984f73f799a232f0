// The ops that go from one linear layer to the next. What stands between two products is one
// launch: it finishes the outputs of one layer and rounds the inputs of the next. Layers that are
// not multiplied in passes over their weights, or whose sizes are not whole blocks, take the ops
// one by one.
#include "backend/cuda/cuda_linear.h"
#include "backend/cuda/cuda_ops.h"
#include "backend/cuda/kernel_views.h"
#include "backend/cuda/kernels/attention.h"
#include "backend/cuda/kernels/exl3_gated_quantize.h"
#include "backend/cuda/kernels/exl3_gated_stage.h"
#include "backend/cuda/kernels/exl3_norm_quantize.h"
#include "backend/cuda/kernels/exl3_rope_store.h"
#include "backend/cuda/kernels/exl3_rotate.h"
#include "exl3/hadamard.h"

#include <algorithm>
#include <array>

namespace trellis::cuda {
namespace {

bool has_whole_outputs(const Exl3Matrix& matrix) {
  return matrix.out_features == matrix.padded_out();
}

}  // namespace

CudaOps::Pass CudaOps::normed_pass(const ResidualStream& stream, Layers layers) const {
  const int64_t dim = stream.x.row_size();
  const Pass pass = pass_over(layers, stream.x.rows());
  const bool is_held = !pass.is_staged || dim <= kMostNormStageNumbers;
  return pass && is_held && layers[0]->exl3().padded_in() == dim ? pass : Pass{};
}

CudaOps::Inputs CudaOps::round_normed(
    ResidualStream& stream, const StreamNorm& norm, Layers layers, const Pass& pass
) {
  const int64_t rows = stream.x.rows();
  NormQuantizeProblem problem;
  problem.x = floats(stream.x);
  if (stream.unfinished != nullptr) {
    problem.products = unfinished_products(stream);
  } else if (stream.has_addend) {
    problem.addend = floats(stream.addend);
  }
  problem.weight = norm.weight.as<float>();
  problem.epsilon = norm.epsilon;
  problem.rows = rows;
  problem.dim = stream.x.row_size();
  problem.row_ctas = row_ctas(limits_, rows);
  TRELLIS_CHECK_EQ(norm.weight.numel(), problem.dim, "one weight per number of a row");
  problem.num_matrices = static_cast<int>(layers.size());
  Inputs inputs = room_for_inputs(layers, rows, pass);
  for (size_t i = 0; i < layers.size(); ++i) {
    problem.suh[i] = layers[i]->exl3().suh;
    if (!pass.is_staged) {
      const Shape blocks = {rows, inputs.quantized[i].stride / exl3::kHadamardBlock};
      const Tensor squares = workspace_.tensor(blocks, DType::kFloat32);
      inputs.quantized[i].norm = {
          squares.as<float>(), 1.0f / static_cast<float>(problem.dim), norm.epsilon
      };
    }
    problem.out[i] = inputs.quantized[i];
    problem.staged[i] = inputs.staged[i];
  }
  pass.is_staged ? exl3_norm_stage(stream_, problem) : exl3_norm_quantize(stream_, problem);
  stream.has_addend = false;
  stream.unfinished = nullptr;
  return inputs;
}

CudaOps::Inputs CudaOps::room_for_stream_input(
    const CudaLinear& layer, const ResidualStream& stream, const Pass& pass
) {
  const CudaLinear* layers[] = {&layer};
  Inputs inputs = room_for_inputs(layers, stream.x.rows(), pass);
  if (!pass.is_staged) return inputs;
  TRELLIS_CHECK_EQ(stream.units.numel(), stream.x.rows(), "room for the units of rows");
  inputs.staged[0].units = stream.units.as<float>();
  return inputs;
}

void CudaOps::leave_in_stream(
    const CudaLinear& layer, const Inputs& input, ResidualStream& stream, const Pass& pass
) {
  TRELLIS_CHECK(!stream.has_addend, "one output on its way at a time");
  const CudaLinear* layers[] = {&layer};
  const int64_t rows = stream.x.rows();
  const int64_t room = product_room(pass.segments.count, pass.sums);
  TRELLIS_CHECK(room == 1 || stream.parts.rows() >= room * rows, "room for the parts");
  stream.num_parts = pass.segments.count;
  stream.part_type = pass.sums;
  stream.has_units = pass.is_staged;
  stream.has_addend = true;
  stream.unfinished = &layer;
  const Exl3Products products[] = {unfinished_products(stream)};
  multiply(layers, input, products, rows, pass);
}

Exl3Products CudaOps::unfinished_products(const ResidualStream& stream) const {
  const Exl3Matrix& matrix = cuda_linear(*stream.unfinished, backend_).exl3();
  const bool in_parts = product_room(stream.num_parts, stream.part_type) > 1;
  const Tensor& inner = in_parts ? stream.parts : stream.addend;
  Exl3Products products = products_of(matrix, floats(inner), stream.x.rows());
  products.type = float_type(stream.part_type);
  products.parts = stream.num_parts;
  if (stream.has_units) products.units = stream.units.as<float>();
  return products;
}

int64_t CudaOps::stream_parts(int64_t rows, int64_t dim, int64_t inputs) const {
  const int64_t most = is_exact() ? 1 : most_product_room(rows, inputs, dim);
  return most > 1 ? most : 0;
}

void CudaOps::settle(ResidualStream& stream) {
  if (stream.unfinished == nullptr) return Ops::settle(stream);
  const RotatedOutput outputs[] = {{unfinished_products(stream), floats(stream.x), true}};
  exl3_rotate_outputs(stream_, outputs, stream.x.rows());
  stream.has_addend = false;
  stream.unfinished = nullptr;
}

void CudaOps::linear_add(ConstTensor x, const PackedLinear& weight, ResidualStream& stream) {
  const CudaLinear* layers[] = {&cuda_linear(weight, backend_)};
  const Pass pass = pass_over(layers, x.rows());
  if (!pass || !has_whole_outputs(layers[0]->exl3())) {
    return Ops::linear_add(x, weight, stream);
  }
  check_linear(x, *layers[0], stream.addend);
  const auto scope = workspace_.scope();
  const Inputs inputs = room_for_stream_input(*layers[0], stream, pass);
  round_inputs(x, layers, inputs, pass);
  leave_in_stream(*layers[0], inputs, stream, pass);
}

void CudaOps::norm_linear_group(
    ResidualStream& stream, const StreamNorm& norm, std::span<const PackedLinear* const> weights,
    std::span<const Tensor> outputs
) {
  const LayerList list(weights, backend_);
  const Layers layers = list.layers();
  const Pass pass = normed_pass(stream, layers);
  if (!pass) return Ops::norm_linear_group(stream, norm, weights, outputs);
  for (size_t i = 0; i < layers.size(); ++i) check_linear(stream.x, *layers[i], outputs[i]);
  const auto scope = workspace_.scope();
  const Inputs inputs = round_normed(stream, norm, layers, pass);
  const int64_t rows = stream.x.rows();
  const Products products = room_for_products(layers, inputs, rows, pass);
  multiply(layers, inputs, products, rows, pass);
  rotate_outputs(products, outputs);
}

void CudaOps::qkv_rope_store(
    ResidualStream& stream, const StreamNorm& norm, const QkvWeights& weights,
    const NormRopeStoreArgs& args, const DeviceStep& step
) {
  const std::array<const PackedLinear*, 3> three = {weights.query, weights.key, weights.value};
  const LayerList list(three, backend_);
  const Layers layers = list.layers();
  const Pass pass = normed_pass(stream, layers);
  const bool whole = std::all_of(layers.begin(), layers.end(), [](const CudaLinear* layer) {
    return has_whole_outputs(layer->exl3());
  });
  if (!pass || !whole || !can_rope_store(args.head_dim)) {
    return Ops::qkv_rope_store(stream, norm, weights, args, step);
  }
  check_linear(stream.x, *layers[0], args.queries);
  check_linear(stream.x, *layers[1], args.keys);
  check_linear(stream.x, *layers[2], args.values);
  const int64_t rows = stream.x.rows();
  const int64_t half = args.rope.inverse_frequency.numel();
  TRELLIS_CHECK_EQ(step.positions.numel(), rows, "one position per row");
  TRELLIS_CHECK_EQ(step.cache_slots.numel(), rows, "one slot per row");
  TRELLIS_CHECK(2 * half <= args.head_dim, "the rotated part of a head");

  const auto scope = workspace_.scope();
  const Inputs inputs = round_normed(stream, norm, layers, pass);
  const Products products = room_for_products(layers, inputs, rows, pass);
  multiply(layers, inputs, products, rows, pass);
  RopeStoreProblem problem;
  problem.queries = products[0];
  problem.keys = products[1];
  problem.values = products[2];
  problem.rotated = floats(args.queries);
  problem.key_cache = kv_rows(args.cache.key_side());
  problem.value_cache = kv_rows(args.cache.value_side());
  if (!args.query_norm.empty()) problem.query_norm = args.query_norm.as<float>();
  if (!args.key_norm.empty()) problem.key_norm = args.key_norm.as<float>();
  problem.epsilon = args.epsilon;
  problem.positions = step.positions.as<int32_t>();
  problem.slots = step.cache_slots.as<int32_t>();
  problem.inverse_frequency = args.rope.inverse_frequency.as<float>();
  problem.factor = args.rope.attention_factor;
  problem.half = static_cast<int>(half);
  problem.rows = rows;
  problem.heads = static_cast<int>(args.queries.row_size() / args.head_dim);
  problem.kv_heads = static_cast<int>(args.keys.row_size() / args.head_dim);
  problem.head_dim = args.head_dim;
  problem.numbers = rope_store_numbers(rows, problem.heads, problem.kv_heads, problem.head_dim);
  exl3_rope_store(stream_, problem);
}

void CudaOps::attention_linear_add(
    const AttentionArgs& args, const DeviceStep& step, const PackedLinear& weight,
    ResidualStream& stream
) {
  const CudaLinear& layer = cuda_linear(weight, backend_);
  const CudaLinear* layers[] = {&layer};
  const int64_t rows = args.queries.rows();
  const Pass pass = pass_over(layers, rows);
  // The GEMV takes few rows only, and so does attention_quantize().
  if (!pass || pass.is_staged || !has_whole_outputs(layer.exl3()) ||
      layer.exl3().padded_in() != args.output.row_size()) {
    return Ops::attention_linear_add(args, step, weight, stream);
  }
  check_linear(args.output, layer, stream.addend);
  const auto scope = workspace_.scope();
  const AttentionProblem problem = attention_problem(args, step);
  const Inputs inputs = room_for_stream_input(layer, stream, pass);
  const AttentionReader reader = {layer.exl3().suh, inputs.quantized[0]};
  attention_quantize(stream_, problem, attention_scratch(problem), reader);
  leave_in_stream(layer, inputs, stream, pass);
}

void CudaOps::mlp(const MlpArgs& args, ResidualStream& stream) {
  const std::array<const PackedLinear*, 2> weights = {args.gate, args.up};
  const LayerList list(weights, backend_);
  const CudaLinear* downs[] = {&cuda_linear(*args.down, backend_)};
  const int64_t rows = stream.x.rows();
  const Pass pass = normed_pass(stream, list.layers());
  const Pass down_pass = pass_over(downs, rows);
  if (!pass || !down_pass) return Ops::mlp(args, stream);
  const Exl3Matrix& gate = list.layers()[0]->exl3();
  const Exl3Matrix& up = list.layers()[1]->exl3();
  const Exl3Matrix& down = downs[0]->exl3();
  if (!has_whole_outputs(gate) || !has_whole_outputs(up) || !has_whole_outputs(down) ||
      down.padded_in() != gate.padded_out()) {
    return Ops::mlp(args, stream);
  }
  TRELLIS_CHECK(args.activation == Activation::kSilu, "a known activation");
  TRELLIS_CHECK_EQ(gate.out_features, up.out_features, "outputs of gate and up");
  TRELLIS_CHECK_EQ(gate.out_features, down.in_features, "outputs of gate, inputs of down");
  TRELLIS_CHECK_EQ(stream.x.row_size(), down.out_features, "outputs of down");

  const auto scope = workspace_.scope();
  const Inputs inputs = round_normed(stream, args.norm, list.layers(), pass);
  const Products products = room_for_products(list.layers(), inputs, rows, pass);
  multiply(list.layers(), inputs, products, rows, pass);
  const Inputs gated = room_for_stream_input(*downs[0], stream, down_pass);
  if (down_pass.is_staged) {
    exl3_gated_stage(
        stream_,
        {products[0], products[1], down.suh, gated.staged[0], rows, row_ctas(limits_, rows)}
    );
  } else {
    exl3_gated_quantize(stream_, {products[0], products[1], down.suh, gated.quantized[0], rows});
  }
  leave_in_stream(*downs[0], gated, stream, down_pass);
}

}  // namespace trellis::cuda
