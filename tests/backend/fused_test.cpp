// Every fused op does what its default body, the composition of primitives, does on the same
// backend.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "backend/random_sequences.h"

#include <gtest/gtest.h>

#include <array>
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

/// Layers that go together, and such that do not.
const std::vector<std::array<WeightFormat, 3>> kThreeFormats = {
    {WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(4, exl3::Codebook::kMul1),
     WeightFormat::exl3(3, exl3::Codebook::kMcg)},
    {WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(3, exl3::Codebook::kMcg),
     WeightFormat::exl3(4, exl3::Codebook::kMul1)},
    {WeightFormat::dense(DType::kFloat16), WeightFormat::exl3(5, exl3::Codebook::kMul1),
     WeightFormat::dense(DType::kFloat32)},
};

/// A stream of 256 numbers a row, into which an output is on its way.
ResidualStream upload_stream(PreparedOp& op, int64_t rows) {
  const Tensor x = op.upload(RandomData(50).normals(rows * 256), {rows, 256});
  ResidualStream stream;
  stream.x = x;
  stream.addend = op.upload(RandomData(51).normals(rows * 256), {rows, 256});
  stream.has_addend = true;
  stream.parts = op.allocate_stream_parts(rows, 256, 1024);
  stream.units = op.allocate({rows});
  return stream;
}

StreamNorm upload_norm(PreparedOp& op, int64_t rows) {
  return {op.upload(RandomData(52).normals(256), {256}), 1e-5f, op.allocate({rows, 256})};
}

const PackedLinear* pack_random(
    PreparedOp& op, const WeightFormat& format, const LinearShape& shape, uint64_t seed
) {
  return &op.pack(RandomLinear(format, shape, seed).weight());
}

/// Compares run(op, stream, formats, rows, fused) with fused and without: for layers that go
/// together and such that do not, few rows and many.
template <typename Run>
void expect_same_for_streams(Backend& backend, double limit, const Run& run) {
  for (const auto& formats : kThreeFormats) {
    for (const int64_t rows : {1, 6, 40, 70}) {
      const auto rows_of = [&](bool fused) {
        PreparedOp op(backend);
        ResidualStream stream = upload_stream(op, rows);
        run(op, stream, formats, rows, fused);
        return op.rows();
      };
      expect_near(rows_of(true), rows_of(false), limit);
    }
  }
}

/// The feed-forward layer twice: the second one reads what the first left.
TEST_P(Fused, MlpIsItsParts) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto run = [&](PreparedOp& op, ResidualStream& stream, const auto& formats, int64_t rows,
                       bool fused) {
    const Tensor gated = op.allocate({rows, 384});
    const MlpArgs args = {
        upload_norm(op, rows),
        pack_random(op, formats[0], {256, 384, rows, true}, 1),
        pack_random(op, formats[1], {256, 384, rows}, 2),
        pack_random(op, formats[2], {384, 256, rows, true}, 3),
        Activation::kSilu,
        gated,
        op.allocate({rows, 384})
    };
    op.outputs = {stream.x};
    Ops& ops = backend->ops();
    for (int layer = 0; layer < 2; ++layer) {
      fused ? ops.mlp(args, stream) : ops.Ops::mlp(args, stream);
    }
    ops.settle(stream);
  };
  expect_same_for_streams(*backend, tolerance(Accuracy::kRoundedInputs, 384), run);
}

/// The default body of linear_add() leaves outputs, an override may leave what it likes.
TEST_P(Fused, LinearAddIsLinearThenAdd) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto run = [&](PreparedOp& op, ResidualStream& stream, const auto& formats, int64_t rows,
                       bool fused) {
    const Tensor x = op.upload(RandomData(3).normals(rows * 300), {rows, 300});
    const PackedLinear* layer = pack_random(op, formats[1], {300, 256, rows, true}, 1);
    op.outputs = {stream.x};
    Ops& ops = backend->ops();
    ops.settle(stream);
    fused ? ops.linear_add(x, *layer, stream) : ops.Ops::linear_add(x, *layer, stream);
    ops.settle(stream);
  };
  expect_same_for_streams(*backend, tolerance(Accuracy::kFloat32, 300), run);
}

/// Heads that are parts of a block of 128 numbers, whole blocks, or neither.
TEST_P(Fused, AttentionLinearAddGivesTheBitsOfItsParts) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const std::vector<WeightFormat> formats = {
      WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(3, exl3::Codebook::kMcg),
      WeightFormat::dense(DType::kFloat16)
  };
  const std::vector<std::vector<SequenceShape>> batches = {
      {{1, 1}}, {{300, 1}}, {{290, 4}, {5, 2}}, {{300, 40}}
  };
  for (const WeightFormat& format : formats) {
    for (const int head_dim : {20, 32, 64, 96, 128, 256}) {
      for (const auto& batch : batches) {
        SCOPED_TRACE(fmt::format("{} of {} tokens {}", format.name(), head_dim, batch[0].tokens));
        const auto run = [&](bool fused) {
          PreparedOp op(*backend);
          const RandomSequences layout(batch, 1);
          const DeviceStep step = layout.upload_step(op);
          const int64_t tokens = layout.num_tokens();
          const Shape size = {tokens, int64_t{4} * head_dim};
          const KvType values = head_dim % 32 == 0 ? KvType::kQ4 : KvType::kFloat32;
          AttentionArgs args;
          args.queries = op.upload(RandomData(2).normals(size.numel()), size);
          args.cache = layout.upload_cache(op, {2, head_dim, {KvType::kFloat16, values}}, 3);
          args.scale = 0.125f;
          args.num_heads = 4;
          args.num_kv_heads = 2;
          args.head_dim = head_dim;
          args.output = op.allocate(size);
          const LinearShape shape = {size[1], 256, tokens, true};
          const PackedLinear* layer = pack_random(op, format, shape, 1);
          ResidualStream stream = upload_stream(op, tokens);
          op.outputs = {stream.x};
          Ops& ops = backend->ops();
          ops.settle(stream);
          fused ? ops.attention_linear_add(args, step, *layer, stream)
                : ops.Ops::attention_linear_add(args, step, *layer, stream);
          ops.settle(stream);
          return op.rows();
        };

        EXPECT_EQ(run(true), run(false));
      }
    }
  }
}

TEST_P(Fused, NormLinearGroupIsItsParts) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto run = [&](PreparedOp& op, ResidualStream& stream, const auto& formats, int64_t rows,
                       bool fused) {
    std::vector<const PackedLinear*> layers;
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < 2; ++i) {
      layers.push_back(pack_random(op, formats[i], {256, 100, rows, true}, i));
      outputs.push_back(op.allocate({rows, 100}));
    }
    const StreamNorm norm = upload_norm(op, rows);
    Ops& ops = backend->ops();
    fused ? ops.norm_linear_group(stream, norm, layers, outputs)
          : ops.Ops::norm_linear_group(stream, norm, layers, outputs);
    op.outputs = outputs;
    op.outputs.push_back(stream.x);
  };
  expect_same_for_streams(*backend, tolerance(Accuracy::kRoundedInputs, 256), run);
}

/// A cache in fp32 and one in 4 bits, whose channels are compared.
TEST_P(Fused, QkvRopeStoreIsItsParts) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const KvType type : {KvType::kFloat32, KvType::kQ4}) {
    for (const int head_dim : {64, 96, 128}) {
      for (const bool norms : {false, true}) {
        SCOPED_TRACE(fmt::format("{} of {} norms {}", kv_type_name(type), head_dim, norms));
        const auto run = [&](bool fused) {
          PreparedOp op(*backend);
          const RandomSequences layout({{260, 5}, {3, 1}}, 1);
          const DeviceStep step = layout.upload_step(op);
          ResidualStream stream = upload_stream(op, 6);
          const WeightFormat format = WeightFormat::exl3(4, exl3::Codebook::kMul1);
          const LinearShape query = {256, int64_t{4} * head_dim, 6, true};
          const LinearShape kv = {256, int64_t{2} * head_dim, 6, true};
          const QkvWeights weights = {
              pack_random(op, format, query, 1), pack_random(op, format, kv, 2),
              pack_random(op, format, kv, 3)
          };
          NormRopeStoreArgs args;
          args.queries = op.allocate({6, query.out});
          args.keys = op.allocate({6, kv.out});
          args.values = op.allocate({6, kv.out});
          if (norms) args.query_norm = op.upload(RandomData(5).normals(head_dim), {head_dim});
          if (norms) args.key_norm = op.upload(RandomData(6).normals(head_dim), {head_dim});
          args.rope = {op.upload(RandomData(7).uniforms(30, 0.0f, 1.0f), {30}), 1.1f};
          args.cache = layout.upload_cache(op, {2, head_dim, same_kv_types(type)}, 8);
          args.head_dim = head_dim;
          const StreamNorm norm = upload_norm(op, 6);
          Ops& ops = backend->ops();
          fused ? ops.qkv_rope_store(stream, norm, weights, args, step)
                : ops.Ops::qkv_rope_store(stream, norm, weights, args, step);
          op.outputs = {args.queries, stream.x};
          if (is_quantized(type)) {
            op.sides = {args.cache.key_side(), args.cache.value_side()};
          } else {
            op.outputs.insert(op.outputs.end(), {args.cache.keys, args.cache.values});
          }
          return op.rows();
        };

        const double limit = is_quantized(type)
                                 ? tolerance(Accuracy::kCodeStored, head_dim, kv_bits(type))
                                 : tolerance(Accuracy::kRoundedInputs, 256);
        expect_near(run(true), run(false), limit);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, Fused, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
