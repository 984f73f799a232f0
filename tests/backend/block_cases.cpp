// Ops that go from one linear layer to the next. Each case starts with what the op before it leaves
// in the residual stream, and ends with the stream settled. Sizes of whole blocks of 128 numbers
// and others, rows around what one pass of a kernel serves.
#include "backend/attention_cases.h"
#include "backend/op_cases.h"
#include "backend/random_linear.h"
#include "backend/random_sequences.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace trellis::test {
namespace {

const WeightFormat kMul1 = WeightFormat::exl3(4, exl3::Codebook::kMul1);
const WeightFormat kMcg = WeightFormat::exl3(3, exl3::Codebook::kMcg);
const WeightFormat kHalf = WeightFormat::dense(DType::kFloat16);

Accuracy accuracy_of(const WeightFormat& format) {
  return format.is_exl3() ? Accuracy::kRoundedInputs : Accuracy::kFloat32;
}

const PackedLinear* random_layer(
    PreparedOp& op, const WeightFormat& format, const LinearShape& shape, uint64_t seed
) {
  const PackedLinear& layer = op.pack(RandomLinear(format, shape, seed).weight());
  op.bytes += static_cast<double>(layer.bytes());
  return &layer;
}

Tensor random_tensor(PreparedOp& op, Shape shape, uint64_t seed) {
  return op.upload(RandomData(seed).normals(shape.numel()), shape);
}

/// What is on its way into the stream when the op of a case begins.
enum class Before : uint8_t { kNothing, kOutputs, kLayer };

struct StreamShape {
  int64_t hidden = 0;
  int64_t rows = 0;
  Before before = Before::kLayer;
  bool bias = false;
  int64_t layer_inputs = 128;  // of the layer before
};

std::string name_of(const StreamShape& shape) {
  constexpr std::array<const char*, 3> kNames = {"nothing", "outputs", "a layer"};
  return fmt::format(
      "hidden {} rows {} behind {}{}{}", shape.hidden, shape.rows,
      kNames[static_cast<size_t>(shape.before)],
      shape.layer_inputs == 128 ? "" : fmt::format(" of {}", shape.layer_inputs),
      shape.bias ? " bias" : ""
  );
}

/// A stream, the norm that reads it, and what comes before.
class RandomStream {
 public:
  RandomStream(PreparedOp& op, const WeightFormat& format, const StreamShape& shape, uint64_t seed)
      : before_(shape.before), input_(random_tensor(op, {shape.rows, shape.layer_inputs}, seed)) {
    const LinearShape layer = {shape.layer_inputs, shape.hidden, shape.rows, shape.bias};
    layer_ = random_layer(op, format, layer, seed + 1);
    const Shape size = {shape.rows, shape.hidden};
    stream_.x = random_tensor(op, size, seed + 2);
    stream_.addend = random_tensor(op, size, seed + 3);
    stream_.parts = op.allocate_stream_parts(
        shape.rows, shape.hidden, std::max(kMostLayerInputs, shape.layer_inputs)
    );
    stream_.units = op.allocate({shape.rows});
    norm_.weight = random_tensor(op, {shape.hidden}, seed + 4);
    norm_.epsilon = 1e-5f;
    norm_.normed = op.allocate(size);
  }

  const StreamNorm& norm() const { return norm_; }
  Tensor x() const { return stream_.x; }
  /// The stream as the op before leaves it.
  ResidualStream begin(Ops& ops) const {
    ResidualStream stream = stream_;
    stream.has_addend = before_ == Before::kOutputs;
    if (before_ == Before::kLayer) ops.linear_add(input_, *layer_, stream);
    return stream;
  }

 private:
  static constexpr int64_t kMostLayerInputs = 2048;

  Before before_;
  Tensor input_;
  const PackedLinear* layer_ = nullptr;
  ResidualStream stream_;
  StreamNorm norm_;
};

/// Layers of several sizes that read the stream.
OpCase norm_linear_group_case(
    const WeightFormat& format, const WeightFormat& last, const StreamShape& shape, uint64_t seed
) {
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomStream stream(op, format, shape, seed);
    const std::array<WeightFormat, 3> formats = {format, format, last};
    constexpr std::array<int64_t, 3> kOuts = {256, 128, 70};
    std::vector<const PackedLinear*> layers;
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < formats.size(); ++i) {
      const LinearShape layer = {shape.hidden, kOuts[i], shape.rows, shape.bias};
      layers.push_back(random_layer(op, formats[i], layer, seed + 10 + i));
      outputs.push_back(op.allocate({shape.rows, kOuts[i]}));
    }
    op.outputs = outputs;
    op.outputs.push_back(stream.x());
    op.run = [&ops = backend.ops(), stream, layers, outputs] {
      ResidualStream begun = stream.begin(ops);
      ops.norm_linear_group(begun, stream.norm(), layers, outputs);
    };
    return op;
  };
  const std::string name =
      fmt::format("norm_linear_group {}, last {}, {}", format.name(), last.name(), name_of(shape));
  return {name, accuracy_of(format), shape.hidden + 128, prepare};
}

OpGroup norm_linear_group_group() {
  OpGroup group{"NormLinearGroup", true, {}};
  uint64_t seed = 70000;
  const auto add = [&](const WeightFormat& format, const WeightFormat& last, StreamShape shape) {
    group.cases.push_back(norm_linear_group_case(format, last, shape, seed += 100));
  };
  for (const int64_t rows : {1, 3, 9, 33}) {
    for (const Before before : {Before::kNothing, Before::kOutputs, Before::kLayer}) {
      add(kMul1, kMul1, {256, rows, before});
    }
  }
  // 384 numbers end inside a chunk of 3 bits; 4224 are more than one block to a warp.
  for (const int64_t rows : {1, 5, 40}) {
    add(kMcg, kMcg, {384, rows, Before::kLayer, true});
    add(kMul1, kMul1, {200, rows, Before::kLayer, true});
    add(kMul1, kMcg, {256, rows});
    add(kHalf, kHalf, {100, rows});
  }
  add(kMul1, kMul1, {4224, 2});
  // So many inputs that a kernel may sum them in parts.
  add(kMul1, kMul1, {256, 20, Before::kLayer, true, 1200});
  // And more than the kernel for few rows takes.
  add(kMul1, kMul1, {256, 3, Before::kLayer, true, 16640});
  for (const int64_t inputs : {128, 8320, 16640}) {
    add(kMul1, kMul1, {256, 70, Before::kLayer, true, inputs});
  }
  add(kMcg, kMcg, {4224, 66});
  add(kMul1, kMul1, {256, 130});
  return group;
}

/// up: the format of the layers beside gate.
OpCase mlp_case(
    const WeightFormat& gate, const WeightFormat& up, int64_t intermediate,
    const StreamShape& shape, uint64_t seed
) {
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomStream stream(op, up, shape, seed);
    const LinearShape in = {shape.hidden, intermediate, shape.rows, shape.bias};
    const LinearShape out = {intermediate, shape.hidden, shape.rows, shape.bias};
    MlpArgs args;
    args.norm = stream.norm();
    args.gate = random_layer(op, gate, in, seed + 10);
    args.up = random_layer(op, up, in, seed + 11);
    args.down = random_layer(op, up, out, seed + 12);
    args.gated = op.allocate({shape.rows, intermediate});
    args.upped = op.allocate({shape.rows, intermediate});
    op.outputs = {stream.x()};
    op.run = [&ops = backend.ops(), stream, args] {
      ResidualStream begun = stream.begin(ops);
      ops.mlp(args, begun);
      ops.settle(begun);
    };
    return op;
  };
  const std::string name =
      fmt::format("mlp {} and {} of {}, {}", gate.name(), up.name(), intermediate, name_of(shape));
  return {name, accuracy_of(gate), shape.hidden + intermediate, prepare};
}

OpGroup mlp_group() {
  OpGroup group{"Mlp", true, {}};
  uint64_t seed = 74000;
  const auto add = [&](const WeightFormat& gate, const WeightFormat& up, int64_t intermediate,
                       StreamShape shape) {
    group.cases.push_back(mlp_case(gate, up, intermediate, shape, seed += 100));
  };
  for (const int64_t rows : {1, 3, 8, 9, 33}) add(kMul1, kMul1, 384, {256, rows});
  for (const int64_t rows : {1, 5, 40}) {
    add(kMcg, kMcg, 640, {128, rows, Before::kNothing, true});
    add(kMul1, kMul1, 300, {200, rows, Before::kOutputs, true});
    add(kMul1, kMul1, 300, {256, rows});
    add(kMul1, kMcg, 256, {128, rows});
    add(kHalf, kHalf, 70, {100, rows, Before::kLayer, true});
  }
  add(kMul1, kMul1, 1152, {128, 17});
  add(kMul1, kMul1, 384, {256, 70});
  add(kMcg, kMcg, 640, {128, 130, Before::kLayer, true});
  add(kMul1, kMul1, 300, {256, 70});
  return group;
}

struct QkvShape {
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int rotary_dim = 0;
  bool norms = false;
  KvTypes types = same_kv_types(KvType::kFloat32);
};

/// tokens: of the first of two sequences; the other adds one.
PreparedOp prepare_qkv(
    Backend& backend, const WeightFormat& format, const QkvShape& shape, StreamShape size,
    uint64_t seed
) {
  PreparedOp op(backend);
  const RandomSequences layout({{260, size.rows - 1}, {7, 1}}, seed + 20);
  const DeviceStep step = layout.upload_step(op);
  const RandomStream stream(op, format, size, seed);
  const int64_t query_size = int64_t{shape.num_heads} * shape.head_dim;
  const int64_t kv_size = int64_t{shape.num_kv_heads} * shape.head_dim;
  const auto layer = [&](int64_t out, uint64_t index) {
    return random_layer(op, format, {size.hidden, out, size.rows, size.bias}, seed + index);
  };
  const QkvWeights weights = {layer(query_size, 10), layer(kv_size, 11), layer(kv_size, 12)};
  NormRopeStoreArgs args;
  args.queries = op.allocate({size.rows, query_size});
  args.keys = op.allocate({size.rows, kv_size});
  args.values = op.allocate({size.rows, kv_size});
  if (shape.norms) {
    args.query_norm = random_tensor(op, {shape.head_dim}, seed + 13);
    args.key_norm = random_tensor(op, {shape.head_dim}, seed + 14);
  }
  std::vector<float> frequencies;
  for (int i = 0; i < shape.rotary_dim / 2; ++i) {
    frequencies.push_back(std::pow(0.7f, static_cast<float>(i)));
  }
  args.rope = {op.upload(frequencies, {shape.rotary_dim / 2}), 1.2f};
  args.cache =
      layout.upload_cache(op, {shape.num_kv_heads, shape.head_dim, shape.types}, seed + 21);
  args.head_dim = shape.head_dim;
  op.outputs = {args.queries, stream.x()};
  for (const KvSide& side : {args.cache.key_side(), args.cache.value_side()}) {
    if (is_quantized(side.type())) {
      op.sides.push_back(side);
    } else {
      op.outputs.push_back(side.numbers);
    }
  }
  op.run = [&ops = backend.ops(), stream, weights, args, step] {
    ResidualStream begun = stream.begin(ops);
    ops.qkv_rope_store(begun, stream.norm(), weights, args, step);
  };
  return op;
}

OpCase qkv_case(
    const WeightFormat& format, const QkvShape& shape, StreamShape size, uint64_t seed
) {
  const auto prepare = [=](Backend& backend) {
    return prepare_qkv(backend, format, shape, size, seed);
  };
  const std::string name = fmt::format(
      "qkv_rope_store {} {}/{} of {}, {} rotated{}, {}, {}", format.name(), shape.num_heads,
      shape.num_kv_heads, shape.head_dim, shape.rotary_dim, shape.norms ? " with norms" : "",
      kv_types_name(shape.types), name_of(size)
  );
  return {name, accuracy_of(format), size.hidden + shape.head_dim, prepare};
}

OpGroup qkv_group() {
  OpGroup group{"QkvRopeStore", true, {}};
  uint64_t seed = 78000;
  const auto add = [&](const WeightFormat& format, const QkvShape& shape, StreamShape size) {
    group.cases.push_back(qkv_case(format, shape, size, seed += 100));
  };
  for (const bool norms : {false, true}) {
    add(kMul1, {4, 4, 32, 32, norms}, {128, 2});
    add(kMul1, {6, 2, 64, 64, norms}, {256, 4});
    add(kMul1, {4, 1, 128, 128, norms}, {256, 9});
    add(kMcg, {2, 1, 256, 256, norms}, {128, 3, Before::kNothing, true});
    add(kMcg, {4, 2, 128, 96, norms}, {128, 2, Before::kOutputs});
    add(kMul1, {3, 1, 64, 64, norms}, {128, 2});
    add(kMul1, {4, 4, 96, 96, norms}, {200, 5, Before::kLayer, true});
    add(kHalf, {2, 1, 20, 20, norms}, {100, 3});
  }
  add(kMul1, {4, 2, 64, 64}, {256, 40});
  add(kMul1, {4, 2, 64, 64, true}, {256, 70});
  add(kMcg, {8, 4, 128, 128}, {128, 66, Before::kLayer, true});
  return group;
}

/// Caches that round: what the inputs' rounding does to a number is far below half a code, so that
/// a few of them fall on the other side of a border.
OpGroup qkv_cache_group() {
  OpGroup group{"QkvRopeStoreCaches", false, {}};
  uint64_t seed = 82000;
  const std::array<KvTypes, 5> types = {
      same_kv_types(KvType::kFloat16), same_kv_types(KvType::kQ4),
      KvTypes{KvType::kQ6, KvType::kQ2}, KvTypes{KvType::kFloat16, KvType::kQ4},
      KvTypes{KvType::kQ5, KvType::kFloat32}
  };
  for (const KvTypes& type : types) {
    for (const int head_dim : {64, 128, 256}) {
      const QkvShape shape = {4, 2, head_dim, head_dim, head_dim == 128, type};
      OpCase op_case = qkv_case(kMul1, shape, {256, 5}, seed += 100);
      const int bits = std::min(kv_bits(type.keys), kv_bits(type.values));
      if (is_quantized(type.keys) || is_quantized(type.values)) {
        op_case.accuracy = Accuracy::kCodeStored;
        op_case.reduction_length = head_dim;
        op_case.stored_bits = bits;
      }
      group.cases.push_back(op_case);
    }
  }
  return group;
}

OpCase attention_linear_add_case(
    const WeightFormat& format, const AttentionShape& shape,
    const std::vector<SequenceShape>& sequences, uint64_t seed
) {
  constexpr int64_t kHidden = 256;
  int64_t rows = 0;
  int64_t longest = 0;
  for (const SequenceShape& sequence : sequences) {
    rows += sequence.tokens;
    longest = std::max(longest, sequence.length);
  }
  const int64_t size = int64_t{shape.num_heads} * shape.head_dim;
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomSequences layout(sequences, seed + 20);
    const DeviceStep step = layout.upload_step(op);
    const RandomStream stream(op, format, {kHidden, rows, Before::kNothing}, seed);
    const PackedLinear* layer = random_layer(op, format, {size, kHidden, rows, true}, seed + 10);
    AttentionArgs args;
    args.queries = random_tensor(op, {rows, size}, seed + 11);
    args.cache =
        layout.upload_cache(op, {shape.num_kv_heads, shape.head_dim, shape.cache}, seed + 21);
    args.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    args.num_heads = shape.num_heads;
    args.num_kv_heads = shape.num_kv_heads;
    args.head_dim = shape.head_dim;
    args.window = shape.window;
    args.output = op.allocate({rows, size});
    op.outputs = {stream.x()};
    op.run = [&ops = backend.ops(), stream, layer, args, step] {
      ResidualStream begun = stream.begin(ops);
      ops.attention_linear_add(args, step, *layer, begun);
      ops.settle(begun);
    };
    return op;
  };
  const std::string name = fmt::format(
      "attention_linear_add {} {}/{} of {} window {} {}, rows {} of {}", format.name(),
      shape.num_heads, shape.num_kv_heads, shape.head_dim, shape.window, kv_types_name(shape.cache),
      rows, longest
  );
  return {name, accuracy_of(format), longest + size, prepare};
}

OpGroup attention_linear_add_group() {
  constexpr KvTypes kFour = {KvType::kQ4, KvType::kQ4};
  OpGroup group{"AttentionLinearAdd", true, {}};
  uint64_t seed = 86000;
  const auto add = [&](const WeightFormat& format, const AttentionShape& shape,
                       const std::vector<SequenceShape>& sequences) {
    group.cases.push_back(attention_linear_add_case(format, shape, sequences, seed += 100));
  };
  for (const int64_t rows : {1, 3, 9, 33}) {
    add(kMul1, {4, 1, 128, 0, {}}, {{300, rows}});
    add(kMul1, {4, 2, 64, 100, kFour}, {{300, rows}, {1, 1}});
  }
  add(kMul1, {8, 8, 32, 0, kFour}, {{70, 2}});
  add(kMcg, {4, 1, 96, 0, {}}, {{70, 2}});
  add(kMcg, {3, 1, 256, 0, kFour}, {{70, 2}});
  add(kMul1, {4, 2, 80, 0, {}}, {{70, 2}});
  add(kHalf, {2, 1, 20, 0, {}}, {{70, 2}});
  return group;
}

}  // namespace

std::vector<OpGroup> block_groups() {
  return {
      norm_linear_group_group(), mlp_group(), qkv_group(), qkv_cache_group(),
      attention_linear_add_group()
  };
}

}  // namespace trellis::test
