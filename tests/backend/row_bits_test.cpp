// A row's result never depends on how many rows share the call: the same bits alone, in chunks, and
// on any number of threads. Generation is reproducible because of this, whatever runs beside it.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_linear.h"
#include "backend/random_sequences.h"
#include "cache/cache_storage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace trellis::test {
namespace {

/// How 70 rows are cut: singles, the sizes around every block of a kernel, then all the rest.
constexpr int64_t kRows = 70;
const std::vector<std::vector<int64_t>> kCuts = {{1, 1, 1, 67}, {2, 3, 5, 60}, {8, 17, 45},
                                                 {9, 61},       {64, 6},       {33, 1, 36}};

std::vector<float> download(Backend& backend, ConstTensor tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.numel()));
  backend.download(tensor, values.data());
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class RowBits : public testing::TestWithParam<BackendUnderTest> {};

/// Every EXL3 width is too much under a sanitizer: those that differ in how they are decoded.
std::vector<WeightFormat> formats() {
  std::vector<WeightFormat> formats = dense_formats();
  for (const WeightFormat& format : exl3_formats()) {
    if (format.bits >= 3 && format.bits <= 5) formats.push_back(format);
  }
  return formats;
}

TEST_P(RowBits, LinearGivesARowTheSameBitsInAnyChunk) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const WeightFormat& format : formats()) {
    SCOPED_TRACE(format.name());
    PreparedOp op(*backend);
    const RandomLinear linear(format, {200, 136, kRows, true}, 1);
    const PackedLinear& weight = op.pack(linear.weight());
    const Tensor x = op.upload(RandomData(2).normals(kRows * 200), {kRows, 200});
    const Tensor whole = op.allocate({kRows, 136});
    const Tensor parts = op.allocate({kRows, 136});

    backend->ops().linear(x, weight, whole);
    for (const std::vector<int64_t>& cut : kCuts) {
      int64_t begin = 0;
      for (const int64_t count : cut) {
        backend->ops().linear(x.slice_rows(begin, count), weight, parts.slice_rows(begin, count));
        begin += count;
      }
      ASSERT_TRUE(same_bits(download(*backend, parts), download(*backend, whole)));
    }
  }
}

TEST_P(RowBits, LinearGivesTheSameBitsOnAnyNumberOfThreads) {
  for (const WeightFormat& format : formats()) {
    SCOPED_TRACE(format.name());
    const RandomLinear linear(format, {384, 392, 9}, 1);
    std::vector<std::vector<float>> results;
    for (const int num_threads : {1, 3}) {
      const std::unique_ptr<Backend> backend = GetParam().make(num_threads);
      PreparedOp op(*backend);
      const Tensor x = op.upload(RandomData(2).normals(9 * 384), {9, 384});
      const Tensor y = op.allocate({9, 392});
      backend->ops().linear(x, op.pack(linear.weight()), y);
      results.push_back(download(*backend, y));
    }
    ASSERT_TRUE(same_bits(results[0], results[1]));
  }
}

/// Queries, keys and values of one prompt, run through the cache in chunks of given sizes.
std::vector<float> attend_in_chunks(
    Backend& backend, const std::vector<int64_t>& chunks, int window, int head_dim,
    KvTypes types = {}
) {
  constexpr int kHeads = 6;
  constexpr int kKvHeads = 2;
  int64_t length = 0;
  for (const int64_t chunk : chunks) length += chunk;
  PreparedOp op(backend);
  const int64_t query_size = int64_t{kHeads} * head_dim;
  const int64_t kv_size = int64_t{kKvHeads} * head_dim;
  const Tensor queries =
      op.upload(RandomData(1).normals(length * query_size), {length, query_size});
  const Tensor keys = op.upload(RandomData(2).normals(length * kv_size), {length, kv_size});
  const Tensor values = op.upload(RandomData(3).normals(length * kv_size), {length, kv_size});
  const Tensor norm = op.upload(RandomData(4).normals(head_dim), {head_dim});
  const RopeArgs rope = {op.upload(RandomData(5).uniforms(head_dim / 2, 0.0f, 1.0f), {head_dim / 2})
  };
  const Tensor output = op.allocate({length, query_size});
  const CacheStorage storage(backend, {1, kKvHeads, head_dim, types}, 4);
  const KvLayer cache = storage.layer(0);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  int64_t begin = 0;
  for (const int64_t chunk : chunks) {
    // One seed: every chunk finds the same pages.
    const RandomSequences layout({{begin + chunk, chunk}}, 6);
    DeviceStep step = layout.upload_step(op);
    std::vector<int32_t> slots;
    for (int64_t p = begin; p < begin + chunk; ++p) slots.push_back(static_cast<int32_t>(p));
    step.cache_slots = op.upload(slots, {chunk});
    step.page_table = op.upload(std::vector<int32_t>{0, 1, 2, 3}, {1, 4});
    backend.ops().norm_rope_store(
        {queries.slice_rows(begin, chunk), keys.slice_rows(begin, chunk),
         values.slice_rows(begin, chunk), norm, norm, 1e-6f, rope, cache, head_dim},
        step
    );
    backend.ops().attention(
        {queries.slice_rows(begin, chunk), cache, scale, kHeads, kKvHeads, head_dim, window,
         output.slice_rows(begin, chunk)},
        step
    );
    begin += chunk;
  }
  return download(backend, output);
}

TEST_P(RowBits, APromptGivesTheSameBitsInAnyChunks) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const int window : {0, 100, 256}) {
    for (const int head_dim : {20, 64}) {
      SCOPED_TRACE(fmt::format("window {} head_dim {}", window, head_dim));
      const std::vector<float> whole = attend_in_chunks(*backend, {275}, window, head_dim);
      const std::vector<std::vector<int64_t>> cuts = {
          {128, 128, 19}, {255, 1, 1, 18}, {7, 249, 19}, {1, 3, 5, 247, 2, 17}
      };
      for (const std::vector<int64_t>& cut : cuts) {
        ASSERT_TRUE(same_bits(attend_in_chunks(*backend, cut, window, head_dim), whole));
      }
    }
  }
}

TEST_P(RowBits, APromptGivesTheSameBitsInAnyChunksOverAQuantizedCache) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const KvTypes& types :
       {KvTypes{KvType::kQ8, KvType::kQ4}, KvTypes{KvType::kQ5, KvType::kQ2}}) {
    SCOPED_TRACE(kv_types_name(types));
    const std::vector<float> whole = attend_in_chunks(*backend, {275}, 0, 64, types);
    for (const std::vector<int64_t>& cut :
         {std::vector<int64_t>{128, 128, 19}, std::vector<int64_t>{7, 249, 2, 17}}) {
      ASSERT_TRUE(same_bits(attend_in_chunks(*backend, cut, 0, 64, types), whole));
    }
  }
}

/// The outputs of the last sequence, whose pages follow the others' and hold the same numbers
/// whoever is there.
std::vector<float> attend_beside_others(
    Backend& backend, const std::vector<SequenceShape>& sequences, int64_t pages_before, DType type
) {
  constexpr int64_t kSize = 4 * 64;
  PreparedOp op(backend);
  const RandomSequences layout(sequences, 1);
  DeviceStep step = layout.upload_step(op);
  const auto fill = [&](uint64_t seed) {
    const int64_t page_size = 2 * int64_t{kPageTokens} * 64;
    std::vector<float> numbers = RandomData(seed + 7).normals(pages_before * page_size);
    const std::vector<float> own = RandomData(seed).normals(3 * page_size);
    numbers.insert(numbers.end(), own.begin(), own.end());
    const Shape shape = {pages_before + 3, 2, kPageTokens, 64};
    if (type == DType::kFloat32) return op.upload(numbers, shape);
    return op.upload(narrow(numbers, type), shape, type);
  };
  const KvLayer cache = {fill(2), fill(3)};
  std::vector<int32_t> table;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const auto first = static_cast<int32_t>(s + 1 == sequences.size() ? pages_before : 0);
    table.insert(table.end(), {first, first + 1, first + 2});
  }
  step.page_table = op.upload(table, {static_cast<int64_t>(sequences.size()), 3});
  const int64_t own_rows = sequences.back().tokens;
  const int64_t first_own = layout.num_tokens() - own_rows;
  std::vector<float> queries = RandomData(4).normals(first_own * kSize);
  const std::vector<float> own = RandomData(5).normals(own_rows * kSize);
  queries.insert(queries.end(), own.begin(), own.end());
  const Shape size = {layout.num_tokens(), kSize};
  const Tensor output = op.allocate(size);
  backend.ops().attention({op.upload(queries, size), cache, 0.125f, 4, 2, 64, 0, output}, step);
  return download(backend, output.slice_rows(first_own, own_rows));
}

TEST_P(RowBits, ASequenceGivesTheSameBitsBesideOthers) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto last_row = [&](const std::vector<SequenceShape>& sequences, int64_t pages_before) {
    return attend_beside_others(*backend, sequences, pages_before, DType::kFloat32);
  };

  const std::vector<float> alone = last_row({{600, 1}}, 0);
  EXPECT_TRUE(same_bits(last_row({{40, 40}, {600, 1}}, 3), alone));
  EXPECT_TRUE(same_bits(last_row({{300, 1}, {513, 9}, {1, 1}, {600, 1}}, 3), alone));
}

INSTANTIATE_TEST_SUITE_P(
    Backends, RowBits, testing::ValuesIn([] {
      std::vector<BackendUnderTest> backends = row_exact_backends();
      for (BackendUnderTest exact : fast_backends()) {
        exact.activations = ActivationPrecision::kFloat32;
        backends.push_back(exact);
      }
      return backends;
    }()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

/// Calls of more than 32 rows, up to 64 or beyond: every backend computes those of one kind alike,
/// rounded activations or not.
class ManyRowBits : public testing::TestWithParam<BackendUnderTest> {};

#if defined(__SANITIZE_THREAD__)
// Each thread of a block is a thread there, a hundred times as slow.
constexpr int64_t kManyRows = 70;
const std::vector<int64_t> kManyRowCalls = {65};
#else
constexpr int64_t kManyRows = 300;
const std::vector<int64_t> kManyRowCalls = {65, 130, 257};
#endif

/// Whether a layer gives each of shape.rows rows the same bits in calls of these sizes.
void check_calls(
    Backend& backend, const WeightFormat& format, const LinearShape& shape,
    const std::vector<int64_t>& counts
) {
  PreparedOp op(backend);
  const RandomLinear linear(format, shape, 1);
  const PackedLinear& weight = op.pack(linear.weight());
  const Tensor x = op.upload(RandomData(2).normals(shape.rows * shape.in), {shape.rows, shape.in});
  const Tensor whole = op.allocate({shape.rows, shape.out});
  const Tensor part = op.allocate({shape.rows, shape.out});

  backend.ops().linear(x, weight, whole);
  for (const int64_t count : counts) {
    for (const int64_t begin : {int64_t{0}, shape.rows - count}) {
      const Tensor rows = part.slice_rows(begin, count);
      backend.ops().linear(x.slice_rows(begin, count), weight, rows);
      ASSERT_TRUE(
          same_bits(download(backend, rows), download(backend, whole.slice_rows(begin, count)))
      ) << format.name()
        << ", " << count << " rows from " << begin;
    }
  }
}

TEST_P(ManyRowBits, LinearGivesARowTheSameBitsInCallsOfOneKind) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  for (const WeightFormat& format :
       {WeightFormat::exl3(4, exl3::Codebook::kMul1), WeightFormat::exl3(3, exl3::Codebook::kMcg),
        WeightFormat::exl3(8, exl3::Codebook::k3inst)}) {
    check_calls(*backend, format, {300, 200, 64, true}, {33});
    check_calls(*backend, format, {300, 200, kManyRows, true}, kManyRowCalls);
  }
}

/// Where inputs may be summed in parts.
TEST_P(ManyRowBits, LinearOfManyInputsGivesARowTheSameBitsInCallsOfOneKind) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const WeightFormat format = WeightFormat::exl3(3, exl3::Codebook::kMul1);
  check_calls(*backend, format, {8320, 256, 64}, {33});
  check_calls(*backend, format, {8320, 256, 80}, {65});
}

TEST_P(ManyRowBits, APromptGivesTheSameBitsInAnyLargeChunks) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const std::vector<KvTypes> pairs = {{}, {KvType::kQ8, KvType::kQ4}};
  for (const KvTypes& types : pairs) {
    for (const int window : {0, 50, 256}) {
      for (const int head_dim : {64, 96}) {
        SCOPED_TRACE(fmt::format("{} window {} head_dim {}", kv_types_name(types), window, head_dim)
        );
        const std::vector<float> whole = attend_in_chunks(*backend, {275}, window, head_dim, types);
        const std::vector<std::vector<int64_t>> cuts = {{128, 147}, {33, 242}, {37, 50, 81, 107}};
        for (const std::vector<int64_t>& cut : cuts) {
          ASSERT_TRUE(same_bits(attend_in_chunks(*backend, cut, window, head_dim, types), whole));
        }
      }
    }
  }
}

TEST_P(ManyRowBits, ASequenceGivesTheSameBitsBesideOthers) {
  const std::unique_ptr<Backend> backend = GetParam().make();
  const auto last_rows = [&](const std::vector<SequenceShape>& sequences, int64_t pages_before) {
    return attend_beside_others(*backend, sequences, pages_before, DType::kFloat16);
  };

  const std::vector<float> alone = last_rows({{600, 40}}, 0);
  EXPECT_TRUE(same_bits(last_rows({{40, 40}, {600, 40}}, 3), alone));
  EXPECT_TRUE(same_bits(last_rows({{300, 1}, {513, 9}, {1, 1}, {600, 40}}, 3), alone));
}

INSTANTIATE_TEST_SUITE_P(
    Backends, ManyRowBits, testing::ValuesIn(fast_backends()),
    [](const testing::TestParamInfo<BackendUnderTest>& info) { return name_of(info.param); }
);

}  // namespace
}  // namespace trellis::test
