// Every fused op does what its default body, the composition of primitives, does on the same
// backend.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "backend/random_sequences.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trellis::test {
namespace {

using Rows = std::vector<std::vector<float>>;

/// Numbers equal to within a few roundings, row by row; NaN where nobody wrote.
void expect_near(const Rows& fused, const Rows& composed, double limit) {
  ASSERT_EQ(fused.size(), composed.size());
  for (size_t row = 0; row < fused.size(); ++row) {
    double size = 0.0;
    double error = 0.0;
    for (size_t i = 0; i < fused[row].size(); ++i) {
      if (std::isnan(fused[row][i]) && std::isnan(composed[row][i])) continue;
      size += std::pow(double{composed[row][i]}, 2);
      error += std::pow(double{fused[row][i]} - composed[row][i], 2);
    }
    ASSERT_LE(std::sqrt(error), limit * std::sqrt(size)) << "row " << row;
  }
}

class Fused : public testing::TestWithParam<BackendUnderTest> {};

TEST_P(Fused, AddRmsNormIsAddThenRmsNorm) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto run = [&](bool fused) {
    PreparedOp op(*backend);
    const Tensor x = op.upload(RandomData(1).normals(7 * 576), {7, 576});
    const Tensor y = op.upload(RandomData(2).normals(7 * 576), {7, 576});
    const Tensor weight = op.upload(RandomData(3).normals(576), {576});
    const Tensor out = op.allocate({7, 576});
    op.outputs = {x, out};
    Ops& ops = backend->ops();
    fused ? ops.add_rms_norm(x, y, weight, 1e-5f, out)
          : ops.Ops::add_rms_norm(x, y, weight, 1e-5f, out);
    return op.rows();
  };

  expect_near(run(true), run(false), tolerance(Accuracy::kFloat32, 576));
}

TEST_P(Fused, LinearGroupGivesTheBitsOfSingleLayers) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const std::vector<WeightFormat> formats = {
      WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(2, exl3::Codebook::kMcg),
      WeightFormat::dense(DType::kBFloat16), WeightFormat::exl3(4, exl3::Codebook::kMul1)
  };
  for (const int64_t rows : {1, 5, 40}) {
    PreparedOp op(*backend);
    const Tensor x = op.upload(RandomData(9).normals(rows * 200), {rows, 200});
    std::vector<const PackedLinear*> weights;
    for (size_t i = 0; i < formats.size(); ++i) {
      const LinearShape shape = {200, 100 + 60 * static_cast<int64_t>(i), rows, i == 1};
      const RandomLinear linear(formats[i], shape, i);
      weights.push_back(&op.pack(linear.weight()));
      op.outputs.push_back(op.allocate({rows, shape.out}));
    }

    backend->ops().linear_group(x, weights, op.outputs);
    const Rows fused = op.rows();
    backend->ops().Ops::linear_group(x, weights, op.outputs);
    EXPECT_EQ(op.rows(), fused);
  }
}

TEST_P(Fused, NormRopeStoreIsItsParts) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const bool norms : {false, true}) {
    const auto run = [&](bool fused) {
      PreparedOp op(*backend);
      const RandomSequences layout({{260, 9}, {3, 3}}, 1);
      const DeviceStep step = layout.upload_step(op);
      const int64_t tokens = layout.num_tokens();
      NormRopeStoreArgs args;
      args.queries = op.upload(RandomData(2).normals(tokens * 256), {tokens, 256});
      args.keys = op.upload(RandomData(3).normals(tokens * 128), {tokens, 128});
      args.values = op.upload(RandomData(4).normals(tokens * 128), {tokens, 128});
      if (norms) args.query_norm = op.upload(RandomData(5).normals(64), {64});
      if (norms) args.key_norm = op.upload(RandomData(6).normals(64), {64});
      args.rope = {op.upload(RandomData(7).uniforms(32, 0.0f, 1.0f), {32}), 1.1f};
      args.cache = layout.upload_cache(op, {2, 64, same_kv_types(KvType::kFloat32)}, 8);
      args.head_dim = 64;
      op.outputs = {args.queries, args.cache.keys, args.cache.values};
      Ops& ops = backend->ops();
      fused ? ops.norm_rope_store(args, step) : ops.Ops::norm_rope_store(args, step);
      return op.rows();
    };

    expect_near(run(true), run(false), tolerance(Accuracy::kFloat32, 64));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, Fused, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
