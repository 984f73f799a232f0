// Linear layers: every dense type, every EXL3 bit width and codebook, odd and padded sizes, one row
// to many.
#include "backend/linear_cases.h"

#include "backend/op_cases.h"

#include <array>

namespace trellis::test {
namespace {

/// Rows of normal numbers; the last has one outlier, which is what rounding to integers fears.
std::vector<float> random_inputs(const LinearShape& shape, uint64_t seed) {
  std::vector<float> x = RandomData(seed).normals(shape.rows * shape.in);
  x[static_cast<size_t>((shape.rows - 1) * shape.in + shape.in / 2)] = 40.0f;
  return x;
}

Accuracy accuracy_of(const WeightFormat& format) {
  return format.is_exl3() ? Accuracy::kRoundedInputs : Accuracy::kFloat32;
}

/// Layers that share their input, of formats and sizes that differ.
OpCase linear_group_case(
    const std::vector<WeightFormat>& formats, const std::vector<int64_t>& outs, LinearShape shape,
    uint64_t seed
) {
  const auto prepare = [=](Backend& backend) mutable {
    PreparedOp op(backend);
    std::vector<const PackedLinear*> weights;
    for (size_t i = 0; i < formats.size(); ++i) {
      shape.out = outs[i];
      const RandomLinear linear(formats[i], shape, seed + i);
      weights.push_back(&op.pack(linear.weight()));
      op.outputs.push_back(op.allocate({shape.rows, shape.out}));
      op.bytes += static_cast<double>(weights.back()->bytes() + op.outputs.back().bytes());
    }
    const Tensor x = op.upload(random_inputs(shape, seed + 99), {shape.rows, shape.in});
    op.run = [&ops = backend.ops(), weights, outputs = op.outputs, x] {
      ops.linear_group(x, weights, outputs);
    };
    return op;
  };
  std::string name = fmt::format("linear_group in {} rows {}:", shape.in, shape.rows);
  for (size_t i = 0; i < formats.size(); ++i) {
    name += fmt::format(" {} {}", formats[i].name(), outs[i]);
  }
  return {name, accuracy_of(formats.front()), shape.in, prepare};
}

OpGroup dense_group() {
  constexpr std::array<LinearShape, 11> kShapes = {{
      {1, 1, 1},
      {64, 64, 1},
      {65, 33, 2},
      {127, 129, 3, true},
      {100, 7, 5, true},
      {256, 512, 8},
      {301, 300, 17, true},
      {512, 65, 64},
      {17, 5, 130},
      {576, 1536, 1},
      {1536, 576, 4},
  }};
  OpGroup group{"LinearDense", true, {}};
  uint64_t seed = 1000;
  for (const WeightFormat& format : dense_formats()) {
    for (const LinearShape& shape : kShapes) {
      group.cases.push_back(linear_case(format, shape, seed += 10));
    }
  }
  return group;
}

/// Every bit width of one codebook on small, padded and oblong layers.
OpGroup exl3_group(exl3::Codebook codebook, const std::string& name) {
  constexpr std::array<LinearShape, 5> kShapes = {{
      {128, 128, 3},
      {256, 384, 1},
      {200, 300, 5, true},
      {512, 128, 17},
      {300, 200, 65, true},
  }};
  OpGroup group{name, true, {}};
  uint64_t seed = 2000 + 1000 * static_cast<uint64_t>(codebook);
  for (int bits = 1; bits <= 8; ++bits) {
    for (const LinearShape& shape : kShapes) {
      group.cases.push_back(linear_case(WeightFormat::exl3(bits, codebook), shape, seed += 10));
    }
  }
  return group;
}

/// Numbers of rows around every block size a kernel may have.
OpGroup exl3_rows_group() {
  OpGroup group{"Exl3Rows", true, {}};
  uint64_t seed = 6000;
  const std::array<WeightFormat, 3> formats = {
      WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(3, exl3::Codebook::kMcg),
      WeightFormat::exl3(6, exl3::Codebook::k3inst)
  };
  for (const WeightFormat& format : formats) {
    for (const int64_t rows : {1, 2, 3, 4, 7, 8, 9, 16, 33, 64, 127, 128, 129, 260}) {
      group.cases.push_back(linear_case(format, {384, 256, rows}, seed += 10));
    }
  }
  // So many inputs that a kernel may sum them in parts.
  group.cases.push_back(linear_case(formats[0], {8320, 256, 40}, seed += 10));
  group.cases.push_back(linear_case(formats[0], {8320, 256, 70}, seed += 10));
  group.cases.push_back(linear_case(formats[1], {1300, 256, 20}, seed += 10));
  return group;
}

OpGroup linear_group_group() {
  const WeightFormat mul1 = WeightFormat::exl3(4, exl3::Codebook::kMul1);
  const WeightFormat mcg = WeightFormat::exl3(5, exl3::Codebook::kMcg);
  const WeightFormat half = WeightFormat::dense(DType::kFloat16);
  const WeightFormat bfloat = WeightFormat::dense(DType::kBFloat16);
  OpGroup group{"LinearGroup", true, {}};
  uint64_t seed = 8000;
  for (const int64_t rows : {1, 3, 20, 70}) {
    group.cases.push_back(
        linear_group_case({mul1, mul1, mul1}, {256, 128, 128}, {256, 0, rows}, seed += 100)
    );
    group.cases.push_back(
        linear_group_case({mul1, mcg, half}, {300, 128, 70}, {200, 0, rows, true}, seed += 100)
    );
    group.cases.push_back(linear_group_case({half, bfloat}, {65, 33}, {100, 0, rows}, seed += 100));
  }
  return group;
}

}  // namespace

OpCase linear_case(const WeightFormat& format, const LinearShape& shape, uint64_t seed) {
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomLinear linear(format, shape, seed);
    const PackedLinear& weight = op.pack(linear.weight());
    const Tensor x = op.upload(random_inputs(shape, seed + 1), {shape.rows, shape.in});
    const Tensor y = op.allocate({shape.rows, shape.out});
    op.outputs = {y};
    op.bytes = static_cast<double>(weight.bytes() + x.bytes() + y.bytes());
    op.run = [&ops = backend.ops(), &weight, x, y] { ops.linear(x, weight, y); };
    return op;
  };
  const std::string name = fmt::format(
      "linear {} {}x{} rows {}{}", format.name(), shape.in, shape.out, shape.rows,
      shape.bias ? " bias" : ""
  );
  return {name, accuracy_of(format), shape.in, prepare};
}

std::vector<OpGroup> linear_groups() {
  return {
      dense_group(),
      exl3_group(exl3::Codebook::k3inst, "Exl33inst"),
      exl3_group(exl3::Codebook::kMcg, "Exl3Mcg"),
      exl3_group(exl3::Codebook::kMul1, "Exl3Mul1"),
      exl3_rows_group(),
      linear_group_group(),
  };
}

}  // namespace trellis::test
