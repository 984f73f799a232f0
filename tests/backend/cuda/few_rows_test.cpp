// Rounded activations on a GPU: as long as a call has at most 16 rows, a row's bits do not depend
// on how many there are.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "backend/random_sequences.h"

#include <gtest/gtest.h>

#include <cstring>

namespace trellis::test {
namespace {

constexpr int64_t kRows = 15;
constexpr int64_t kHidden = 256;
constexpr int64_t kIntermediate = 384;
constexpr int kHeadDim = 64;

std::vector<float> download(Backend& backend, ConstTensor tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.numel()));
  backend.download(tensor, values.data());
  return values;
}

/// The ops of two layers over rows in chunks of these sizes: the stream, the queries and the
/// caches.
std::vector<float> run_in_chunks(
    Backend& backend, const WeightFormat& format, const std::vector<int64_t>& chunks
) {
  PreparedOp op(backend);
  uint64_t seed = 1;
  const auto layer = [&](int64_t in, int64_t out) {
    return &op.pack(RandomLinear(format, {in, out, 1}, ++seed).weight());
  };
  const auto random = [&](Shape shape) {
    return op.upload(RandomData(++seed).normals(shape.numel()), shape);
  };
  const QkvWeights qkv = {layer(kHidden, 256), layer(kHidden, 128), layer(kHidden, 128)};
  const PackedLinear* output = layer(256, kHidden);
  const PackedLinear* gate = layer(kHidden, kIntermediate);
  const PackedLinear* up = layer(kHidden, kIntermediate);
  const PackedLinear* down = layer(kIntermediate, kHidden);
  const Tensor x = random({kRows, kHidden});
  const Tensor norm_weight = random({kHidden});
  const Tensor head_norm = random({kHeadDim});
  const Tensor queries = op.allocate({kRows, 256});
  const RopeArgs rope = {op.upload(RandomData(99).uniforms(32, 0.0f, 1.0f), {32})};
  const RandomSequences whole({{kRows, kRows}}, 1);
  const auto upload_cache = [&](uint64_t cache_seed) {
    return whole.upload_cache(op, {2, kHeadDim, same_kv_types(KvType::kFloat32)}, cache_seed);
  };
  const KvLayer caches[] = {upload_cache(97), upload_cache(98)};

  int64_t begin = 0;
  for (const int64_t count : chunks) {
    const RandomSequences layout({{begin + count, count}}, 1);
    const DeviceStep step = layout.upload_step(op);
    ResidualStream stream;
    stream.x = x.slice_rows(begin, count);
    stream.addend = op.allocate({count, kHidden});
    const StreamNorm norm = {norm_weight, 1e-5f, op.allocate({count, kHidden})};
    NormRopeStoreArgs args = {
        queries.slice_rows(begin, count),
        op.allocate({count, 128}),
        op.allocate({count, 128}),
        head_norm,
        head_norm,
        1e-6f,
        rope,
        {},
        kHeadDim
    };
    const MlpArgs mlp = {
        norm,
        gate,
        up,
        down,
        Activation::kSilu,
        op.allocate({count, kIntermediate}),
        op.allocate({count, kIntermediate})
    };
    Ops& ops = backend.ops();
    const Tensor mixed = op.allocate({count, 256});
    for (const KvLayer& cache : caches) {
      args.cache = cache;
      ops.qkv_rope_store(stream, norm, qkv, args, step);
      ops.attention_linear_add(
          {args.queries, cache, 0.125f, 4, 2, kHeadDim, 0, mixed}, step, *output, stream
      );
      ops.mlp(mlp, stream);
    }
    ops.settle(stream);
    begin += count;
  }
  std::vector<float> results = download(backend, x);
  for (const Tensor& tensor :
       {queries, caches[0].keys, caches[0].values, caches[1].keys, caches[1].values}) {
    const std::vector<float> more = download(backend, tensor);
    results.insert(results.end(), more.begin(), more.end());
  }
  return results;
}

class FewRows : public testing::TestWithParam<BackendUnderTest> {};

TEST_P(FewRows, GiveARowTheSameBitsInAnyChunk) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  ASSERT_GE(backend->independent_rows(), kRows);
  for (const WeightFormat& format :
       {WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(3, exl3::Codebook::kMcg),
        WeightFormat::exl3(6, exl3::Codebook::k3inst)}) {
    SCOPED_TRACE(format.name());
    const std::vector<float> whole = run_in_chunks(*backend, format, {kRows});
    for (const std::vector<int64_t>& cut :
         {std::vector<int64_t>{1, 1, 1, 12}, std::vector<int64_t>{2, 3, 4, 6},
          std::vector<int64_t>{8, 7}, std::vector<int64_t>{9, 6}}) {
      const std::vector<float> parts = run_in_chunks(*backend, format, cut);
      ASSERT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(float)), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, FewRows, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
