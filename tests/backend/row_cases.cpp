// Ops that treat every row by itself: norms, rotation, lookups, activations, sums, and the append
// to the cache.
#include "backend/op_cases.h"
#include "backend/random_sequences.h"
#include "exl3/kv_quant.h"

#include <array>
#include <cmath>

namespace trellis::test {
namespace {

constexpr std::array<int64_t, 10> kOddSizes = {1, 5, 31, 32, 64, 65, 128, 576, 1000, 2048};
constexpr std::array<int64_t, 4> kRows = {1, 2, 3, 17};

Tensor random_tensor(PreparedOp& op, Shape shape, uint64_t seed, float deviation = 1.0f) {
  return op.upload(RandomData(seed).normals(shape.numel(), deviation), shape);
}

OpGroup rms_norm_group() {
  OpGroup group{"RmsNorm", false, {}};
  for (const int64_t dim : kOddSizes) {
    for (const int64_t rows : kRows) {
      for (const bool in_place : {false, true}) {
        const uint64_t seed = 20000 + static_cast<uint64_t>(dim * 100 + rows);
        const auto prepare = [=](Backend& backend) {
          PreparedOp op(backend);
          const Tensor x = random_tensor(op, {rows, dim}, seed, 3.0f);
          const Tensor weight = random_tensor(op, {dim}, seed + 1);
          const Tensor y = in_place ? x : op.allocate({rows, dim});
          op.outputs = {y};
          op.bytes = static_cast<double>(x.bytes() + weight.bytes() + y.bytes());
          op.run = [&ops = backend.ops(), x, weight, y] { ops.rms_norm(x, weight, 1e-5f, y); };
          return op;
        };
        group.cases.push_back(
            {fmt::format("rms_norm {}x{}{}", rows, dim, in_place ? " in place" : ""),
             Accuracy::kFloat32, dim, prepare}
        );
      }
    }
  }
  return group;
}

OpGroup add_rms_norm_group() {
  OpGroup group{"AddRmsNorm", false, {}};
  for (const int64_t dim : kOddSizes) {
    for (const int64_t rows : kRows) {
      const uint64_t seed = 22000 + static_cast<uint64_t>(dim * 100 + rows);
      const auto prepare = [=](Backend& backend) {
        PreparedOp op(backend);
        const Tensor x = random_tensor(op, {rows, dim}, seed, 10.0f);
        const Tensor y = random_tensor(op, {rows, dim}, seed + 1);
        const Tensor weight = random_tensor(op, {dim}, seed + 2);
        const Tensor out = op.allocate({rows, dim});
        op.outputs = {x, out};
        op.bytes = static_cast<double>(3 * x.bytes() + out.bytes());
        op.run = [&ops = backend.ops(), x, y, weight, out] {
          ops.add_rms_norm(x, y, weight, 1e-5f, out);
        };
        return op;
      };
      group.cases.push_back(
          {fmt::format("add_rms_norm {}x{}", rows, dim), Accuracy::kFloat32, dim, prepare}
      );
    }
  }
  return group;
}

OpGroup embed_group() {
  OpGroup group{"EmbedAndGather", false, {}};
  constexpr int64_t kVocab = 50;
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    for (const int64_t hidden : kOddSizes) {
      const auto tokens = hidden % 7 + 1;
      const auto seed = 24000 + static_cast<uint64_t>(hidden);
      const auto prepare = [=](Backend& backend) {
        PreparedOp op(backend);
        const std::vector<float> numbers = RandomData(seed).normals(kVocab * hidden);
        const Shape shape = {kVocab, hidden};
        const Tensor table = dtype == DType::kFloat32
                                 ? op.upload(numbers, shape)
                                 : op.upload(narrow(numbers, dtype), shape, dtype);
        std::vector<int32_t> ids = RandomData(seed + 1).integers(tokens, kVocab);
        ids.front() = kVocab - 1;
        const Tensor token_ids = op.upload(ids, {tokens});
        const Tensor out = op.allocate({tokens, hidden});
        op.outputs = {out};
        op.bytes = 2.0 * static_cast<double>(out.bytes());
        op.run = [&ops = backend.ops(), token_ids, table, out] {
          ops.embed(token_ids, table, out);
        };
        return op;
      };
      group.cases.push_back(
          {fmt::format("embed {} {}x{}", dtype_name(dtype), tokens, hidden), Accuracy::kExact, 1,
           prepare}
      );
    }
  }
  for (const int64_t dim : kOddSizes) {
    const auto prepare = [=](Backend& backend) {
      PreparedOp op(backend);
      const Tensor x = random_tensor(op, {9, dim}, 25000);
      const Tensor rows = op.upload(std::vector<int32_t>{8, 0, 3, 3}, {4});
      const Tensor out = op.allocate({4, dim});
      op.outputs = {out};
      op.bytes = 2.0 * static_cast<double>(out.bytes());
      op.run = [&ops = backend.ops(), x, rows, out] { ops.gather_rows(x, rows, out); };
      return op;
    };
    group.cases.push_back({fmt::format("gather_rows 4 of 9x{}", dim), Accuracy::kExact, 1, prepare}
    );
  }
  return group;
}

OpGroup elementwise_group() {
  OpGroup group{"Elementwise", false, {}};
  for (const int64_t dim : kOddSizes) {
    for (const int64_t rows : kRows) {
      const uint64_t seed = 26000 + static_cast<uint64_t>(dim * 100 + rows);
      const auto prepare_add = [=](Backend& backend) {
        PreparedOp op(backend);
        const Tensor x = random_tensor(op, {rows, dim}, seed, 5.0f);
        const Tensor y = random_tensor(op, {rows, dim}, seed + 1);
        op.outputs = {x};
        op.bytes = 3.0 * static_cast<double>(x.bytes());
        op.run = [&ops = backend.ops(), x, y] { ops.add(x, y); };
        return op;
      };
      group.cases.push_back({fmt::format("add {}x{}", rows, dim), Accuracy::kExact, 1, prepare_add}
      );
      // Gates from -120 to 120: both ends of the exponential.
      const auto prepare_gate = [=](Backend& backend) {
        PreparedOp op(backend);
        std::vector<float> numbers = RandomData(seed).uniforms(rows * dim, -8.0f, 8.0f);
        numbers.front() = -120.0f;
        numbers.back() = 120.0f;
        const Tensor gate = op.upload(numbers, {rows, dim});
        const Tensor up = random_tensor(op, {rows, dim}, seed + 1);
        const Tensor out = rows == 2 ? gate : rows == 3 ? up : op.allocate({rows, dim});
        op.outputs = {out};
        op.bytes = 3.0 * static_cast<double>(out.bytes());
        op.run = [&ops = backend.ops(), gate, up, out] {
          ops.gated_activation(Activation::kSilu, gate, up, out);
        };
        return op;
      };
      group.cases.push_back(
          {fmt::format("gated_activation silu {}x{}", rows, dim), Accuracy::kFloat32, 1,
           prepare_gate}
      );
    }
  }
  return group;
}

struct RopeShape {
  int64_t heads = 1;
  int64_t head_dim = 64;
  int64_t rotary_dim = 64;
  float attention_factor = 1.0f;
  int64_t first_position = 0;
};

RopeArgs upload_rope(PreparedOp& op, int64_t rotary_dim, float attention_factor) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotary_dim);
    frequencies.push_back(static_cast<float>(std::pow(10000.0, -exponent)));
  }
  return {op.upload(frequencies, {rotary_dim / 2}), attention_factor};
}

OpGroup rope_group() {
  constexpr std::array<RopeShape, 9> kShapes = {{
      {1, 64, 64},
      {5, 32, 32},
      {3, 96, 96},
      {2, 128, 128},
      {3, 64, 32},
      {2, 80, 20},
      {4, 20, 20},
      {2, 64, 64, 1.25f},
      {2, 128, 128, 1.0f, 100000},
  }};
  OpGroup group{"Rope", false, {}};
  for (const RopeShape& shape : kShapes) {
    for (const int64_t tokens : kRows) {
      const auto prepare = [=](Backend& backend) {
        PreparedOp op(backend);
        const Tensor x = random_tensor(op, {tokens, shape.heads * shape.head_dim}, 28000);
        std::vector<int32_t> numbers;
        for (int64_t t = 0; t < tokens; ++t) {
          numbers.push_back(static_cast<int32_t>(shape.first_position + t * t * 37));
        }
        const Tensor positions = op.upload(numbers, {tokens});
        const RopeArgs args = upload_rope(op, shape.rotary_dim, shape.attention_factor);
        op.outputs = {x};
        op.bytes = 2.0 * static_cast<double>(x.bytes());
        op.run = [&ops = backend.ops(), x, positions, args, shape] {
          ops.rope(x, positions, args, static_cast<int>(shape.head_dim));
        };
        return op;
      };
      group.cases.push_back(
          {fmt::format(
               "rope {} of {}x{} factor {} from {} rows {}", shape.rotary_dim, shape.heads,
               shape.head_dim, shape.attention_factor, shape.first_position, tokens
           ),
           Accuracy::kFloat32, 1, prepare}
      );
    }
  }
  return group;
}

/// Numbers of a row of keys or values. Where the cache is quantized, the first group of a row is
/// zeros and the last one large: the ends of what a scale can be.
Tensor random_rows(PreparedOp& op, Shape size, uint64_t seed, KvType type) {
  std::vector<float> numbers = RandomData(seed).normals(size.numel());
  const auto row_size = static_cast<size_t>(size[1]);
  for (size_t row = 0; is_quantized(type) && row < numbers.size(); row += row_size) {
    for (size_t i = 0; i < exl3::kKvGroup; ++i) {
      numbers[row + i] = 0.0f;
      numbers[row + row_size - 1 - i] *= 1000.0f;
    }
  }
  return op.upload(numbers, size);
}

std::vector<Tensor> tensors_of(const KvLayer& cache) {
  std::vector<Tensor> tensors;
  for (const Tensor& tensor : {cache.keys, cache.values, cache.key_scales, cache.value_scales}) {
    if (!tensor.empty()) tensors.push_back(tensor);
  }
  return tensors;
}

/// The same numbers go in on every backend, so that even quantized ones must come out bit for bit.
OpCase kv_store_case(KvTypes types, int64_t head_dim, int64_t tokens) {
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomSequences layout({{tokens, tokens}, {260, 5}}, 29000);
    const DeviceStep step = layout.upload_step(op);
    const KvLayer cache = layout.upload_cache(op, {3, head_dim, types}, 29001);
    const Shape size = {layout.num_tokens(), 3 * head_dim};
    const Tensor keys = random_rows(op, size, 29002, types.keys);
    const Tensor values = random_rows(op, size, 29003, types.values);
    op.outputs = tensors_of(cache);
    op.bytes = 3.0 * static_cast<double>(keys.bytes());
    op.run = [&ops = backend.ops(), keys, values, step, cache] {
      ops.kv_store(keys, values, step.cache_slots, cache);
    };
    return op;
  };
  return {
      fmt::format("kv_store {} 3x{} tokens {}", kv_types_name(types), head_dim, tokens + 5),
      Accuracy::kExact, 1, prepare
  };
}

OpGroup kv_store_group() {
  OpGroup group{"KvStore", false, {}};
  for (const KvType type : {KvType::kFloat16, KvType::kFloat32}) {
    for (const int64_t head_dim : {20, 32, 64, 96, 128}) {
      for (const int64_t tokens : {1, 3, 64}) {
        group.cases.push_back(kv_store_case(same_kv_types(type), head_dim, tokens));
      }
    }
  }
  for (const KvType type : kQuantizedKvTypes) {
    for (const int64_t head_dim : {32, 64, 96, 128, 256}) {
      group.cases.push_back(kv_store_case(same_kv_types(type), head_dim, 20));
    }
  }
  group.cases.push_back(kv_store_case({KvType::kQ8, KvType::kQ4}, 64, 3));
  group.cases.push_back(kv_store_case({KvType::kFloat16, KvType::kQ3}, 64, 3));
  group.cases.push_back(kv_store_case({KvType::kQ5, KvType::kFloat32}, 64, 3));
  return group;
}

/// What a step of random sequences normalises, rotates and stores.
NormRopeStoreArgs upload_norm_rope_store(
    PreparedOp& op, const RandomSequences& layout, KvTypes types, int64_t head_dim, bool norms
) {
  NormRopeStoreArgs args;
  args.cache = layout.upload_cache(op, {2, head_dim, types}, 30001);
  args.queries = random_tensor(op, {layout.num_tokens(), 6 * head_dim}, 30002, 4.0f);
  args.keys = random_tensor(op, {layout.num_tokens(), 2 * head_dim}, 30003, 4.0f);
  args.values = random_tensor(op, {layout.num_tokens(), 2 * head_dim}, 30004);
  if (norms) {
    args.query_norm = random_tensor(op, {head_dim}, 30005);
    args.key_norm = random_tensor(op, {head_dim}, 30006);
  }
  args.epsilon = 1e-6f;
  args.rope = upload_rope(op, head_dim, 1.0f);
  args.head_dim = static_cast<int>(head_dim);
  return args;
}

std::string norm_rope_store_name(KvTypes types, int64_t head_dim, bool norms, int64_t tokens) {
  return fmt::format(
      "norm_rope_store {} 6/2 of {} tokens {}{}", kv_types_name(types), head_dim, tokens + 7,
      norms ? " with norms" : ""
  );
}

OpCase norm_rope_store_case(KvType type, int64_t head_dim, bool norms, int64_t tokens) {
  const KvTypes types = same_kv_types(type);
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomSequences layout({{300, tokens}, {7, 7}}, 30000);
    const DeviceStep step = layout.upload_step(op);
    const NormRopeStoreArgs args = upload_norm_rope_store(op, layout, types, head_dim, norms);
    op.outputs = {args.queries, args.cache.keys, args.cache.values};
    op.bytes = 2.0 * static_cast<double>(args.queries.bytes() + args.keys.bytes());
    op.run = [&ops = backend.ops(), args, step] { ops.norm_rope_store(args, step); };
    return op;
  };
  const Accuracy accuracy = type == KvType::kFloat16 ? Accuracy::kHalfStored : Accuracy::kFloat32;
  return {norm_rope_store_name(types, head_dim, norms, tokens), accuracy, head_dim, prepare};
}

/// Rotated keys differ by an ulp from backend to backend, so that now and then a number falls on
/// the other side of a border between codes: what the codes stand for is compared, not their bits.
/// That queries come out right is the business of the cases above.
OpCase norm_rope_store_quantized_case(KvType type, int64_t head_dim, bool norms) {
  constexpr int64_t kTokens = 20;
  const KvTypes types = same_kv_types(type);
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomSequences layout({{300, kTokens}, {7, 7}}, 30000);
    const DeviceStep step = layout.upload_step(op);
    const NormRopeStoreArgs args = upload_norm_rope_store(op, layout, types, head_dim, norms);
    op.sides = {args.cache.key_side(), args.cache.value_side()};
    op.bytes = 2.0 * static_cast<double>(args.queries.bytes() + args.keys.bytes());
    op.run = [&ops = backend.ops(), args, step] { ops.norm_rope_store(args, step); };
    return op;
  };
  return {
      norm_rope_store_name(types, head_dim, norms, kTokens), Accuracy::kCodeStored, head_dim,
      prepare, kv_bits(type)
  };
}

OpGroup norm_rope_store_group() {
  OpGroup group{"NormRopeStore", false, {}};
  for (const KvType type : {KvType::kFloat16, KvType::kFloat32}) {
    for (const int64_t head_dim : {20, 32, 64, 96, 128}) {
      for (const bool norms : {false, true}) {
        for (const int64_t tokens : {1, 50}) {
          group.cases.push_back(norm_rope_store_case(type, head_dim, norms, tokens));
        }
      }
    }
  }
  for (const KvType type : kQuantizedKvTypes) {
    for (const int64_t head_dim : {64, 96, 128, 256}) {
      group.cases.push_back(norm_rope_store_quantized_case(type, head_dim, head_dim != 96));
    }
  }
  return group;
}

}  // namespace

std::vector<OpGroup> row_groups() {
  return {rms_norm_group(), add_rms_norm_group(), embed_group(),          elementwise_group(),
          rope_group(),     kv_store_group(),     norm_rope_store_group()};
}

}  // namespace trellis::test
