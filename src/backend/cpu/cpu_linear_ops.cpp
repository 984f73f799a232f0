// Linear layers' split over threads. All layers of a group and all their blocks of outputs are one
// list of tasks, so that one parallel region serves q, k and v, or gate and up; many rows are cut
// into chunks that share decoded weights.
#include "backend/cpu/cpu_linear.h"
#include "backend/cpu/cpu_ops.h"

#include <algorithm>
#include <cstring>

namespace trellis::cpu {
namespace {

constexpr int64_t kDenseOutputBlock = 32;
constexpr int64_t kDenseRowBlock = 32;
constexpr int64_t kMostLayers = 8;
/// Input blocks that are worth a thread: about 2 us.
constexpr int64_t kPreparedBlocks = 16;

/// One layer's share of the work: output blocks times row chunks.
struct Part {
  const CpuLinear* layer = nullptr;
  Tensor output;
  Exl3Input input;
  int64_t row_chunk = 0;
  int64_t num_chunks = 0;
  int64_t num_tasks = 0;
};

Exl3Input make_input(Workspace& workspace, const Exl3Matrix& matrix, int64_t rows, bool integers) {
  Exl3Input input;
  input.rows = rows;
  input.blocks = matrix.in_blocks;
  const int64_t numbers = rows * kBlock;
  if (integers) {
    input.integers = workspace.tensor({matrix.in_blocks, numbers}, DType::kInt16).as<int16_t>();
    const auto scale_bytes = static_cast<int64_t>(sizeof(BlockScale)) * rows;
    const Tensor scales = workspace.tensor({matrix.in_blocks, scale_bytes}, DType::kUint8);
    input.scales = reinterpret_cast<BlockScale*>(scales.data());
  } else {
    input.floats = workspace.tensor({matrix.in_blocks, numbers}, DType::kFloat32).as<float>();
  }
  return input;
}

/// x with rows of `stride` numbers, zeros after its own: x itself where it has them.
ConstTensor padded_rows(Workspace& workspace, ConstTensor x, int64_t stride) {
  if (x.row_size() == stride) return x;
  const Tensor padded = workspace.tensor({x.rows(), stride}, DType::kFloat32);
  for (int64_t t = 0; t < x.rows(); ++t) {
    float* row = padded.row<float>(t);
    std::memcpy(row, x.row<float>(t), static_cast<size_t>(x.row_size()) * sizeof(float));
    std::fill(row + x.row_size(), row + stride, 0.0f);
  }
  return padded;
}

}  // namespace

void CpuOps::linear(ConstTensor x, const PackedLinear& weight, Tensor y) {
  const PackedLinear* weights[] = {&weight};
  const Tensor outputs[] = {y};
  linear_group(x, weights, outputs);
}

void CpuOps::linear_group(
    ConstTensor x, std::span<const PackedLinear* const> weights, std::span<const Tensor> outputs
) {
  TRELLIS_CHECK_EQ(weights.size(), outputs.size(), "one output per weight");
  TRELLIS_CHECK(weights.size() <= kMostLayers, "at most 8 layers in a group");
  const int64_t rows = x.rows();
  if (rows == 0 || weights.empty()) return;
  const auto scope = workspace_.scope();
  Part parts[kMostLayers];
  int64_t num_tasks = 0;
  int64_t num_blocks = 0;  // of inputs of one row
  ConstTensor dense_input = x;
  for (size_t i = 0; i < weights.size(); ++i) {
    TRELLIS_CHECK(&weights[i]->owner() == &backend_, "a weight that this backend packed");
    TRELLIS_CHECK_EQ(x.row_size(), weights[i]->in_features(), "inputs of a linear layer");
    TRELLIS_CHECK_EQ(outputs[i].row_size(), weights[i]->out_features(), "outputs of a layer");
    TRELLIS_CHECK_EQ(outputs[i].rows(), rows, "rows of a linear layer");
    Part& part = parts[i];
    part.layer = static_cast<const CpuLinear*>(weights[i]);
    part.output = outputs[i];
    int64_t output_blocks = 0;
    if (part.layer->is_exl3()) {
      const Exl3Matrix& matrix = part.layer->exl3();
      const bool integers = activations_ == ActivationPrecision::kAuto;
      part.input = make_input(workspace_, matrix, rows, integers);
      output_blocks = part.layer->exl3().out_blocks;
      part.row_chunk = kExl3RowBlock;
      num_blocks += part.input.blocks;
    } else {
      const DenseMatrix& matrix = part.layer->dense();
      if (dense_input.row_size() != matrix.stride) {
        dense_input = padded_rows(workspace_, x, matrix.stride);
      }
      output_blocks = (matrix.out_features + kDenseOutputBlock - 1) / kDenseOutputBlock;
      part.row_chunk = kDenseRowBlock;
    }
    part.num_chunks = (rows + part.row_chunk - 1) / part.row_chunk;
    part.num_tasks = output_blocks * part.num_chunks;
    num_tasks += part.num_tasks;
  }

  // Blocks of inputs are independent: several threads share even a single row.
  pool_.for_each(rows * num_blocks, kPreparedBlocks, [&](int64_t begin, int64_t end, int) {
    while (begin < end) {
      const int64_t row = begin / num_blocks;
      int64_t block = begin % num_blocks;
      const Part* part = parts;
      for (; block >= part->input.blocks; ++part) block -= part->input.blocks;
      const int64_t last = std::min(part->input.blocks, block + end - begin);
      kernels_.exl3_prepare(part->layer->exl3(), x.row<float>(row), row, block, last, part->input);
      begin += last - block;
    }
  });

  const int64_t scratch_floats = exl3_scratch_floats(std::min<int64_t>(rows, kExl3RowBlock));
  const Tensor scratch = workspace_.tensor({pool_.num_threads(), scratch_floats}, DType::kFloat32);
  const auto run = [&](int64_t task, int worker) {
    size_t i = 0;
    for (; task >= parts[i].num_tasks; ++i) task -= parts[i].num_tasks;
    const Part& part = parts[i];
    const int64_t block = task / part.num_chunks;
    const int64_t begin = task % part.num_chunks * part.row_chunk;
    const int64_t end = std::min(begin + part.row_chunk, rows);
    float* y = part.output.as<float>();
    const int64_t y_stride = part.output.row_stride();
    if (part.layer->is_exl3()) {
      kernels_.exl3_multiply(
          part.layer->exl3(), block, part.input, begin, end, scratch.row<float>(worker), y, y_stride
      );
    } else {
      const DenseMatrix& matrix = part.layer->dense();
      const int64_t first = block * kDenseOutputBlock;
      kernels_.dense(
          matrix, first, std::min(first + kDenseOutputBlock, matrix.out_features),
          dense_input.row<float>(begin), dense_input.row_stride(), end - begin,
          y + begin * y_stride, y_stride
      );
    }
  };
  pool_.for_each(num_tasks, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t task = begin; task < end; ++task) run(task, worker);
  });
}

}  // namespace trellis::cpu
