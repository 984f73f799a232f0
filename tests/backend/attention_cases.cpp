// Attention over the paged cache: borders of pages, windows, ways to share kv heads, head sizes,
// mixed batches.
#include "backend/attention_cases.h"

#include "backend/op_cases.h"

#include <array>
#include <cmath>

namespace trellis::test {
namespace {

/// Calls of more rows may take a kernel that rounds queries.
constexpr int64_t kMostExactRows = 16;

OpGroup lengths_group() {
  OpGroup group{"AttentionLengths", true, {}};
  uint64_t seed = 10000;
  for (const KvType type : {KvType::kFloat16, KvType::kFloat32}) {
    const KvTypes types = same_kv_types(type);
    for (const int64_t length : {1, 2, 17, 255, 256, 257, 511, 513, 600}) {
      group.cases.push_back(attention_case({4, 2, 64, 0, types}, {{length, 1}}, seed += 10));
    }
    for (const int64_t tokens : {2, 3, 5, 8, 17, 64}) {
      group.cases.push_back(attention_case({4, 2, 32, 0, types}, {{300, tokens}}, seed += 10));
    }
    group.cases.push_back(attention_case({2, 1, 32, 0, types}, {{270, 270}}, seed += 10));
  }
  return group;
}

OpGroup heads_group() {
  constexpr std::array<std::array<int, 2>, 6> kHeads = {{
      {1, 1},
      {4, 4},
      {4, 1},
      {6, 2},
      {9, 3},
      {16, 1},
  }};
  OpGroup group{"AttentionHeads", false, {}};
  uint64_t seed = 12000;
  for (const auto& [heads, kv_heads] : kHeads) {
    for (const int head_dim : {32, 64, 96, 128}) {
      const AttentionShape shape = {heads, kv_heads, head_dim, 0, {}};
      group.cases.push_back(attention_case(shape, {{70, 3}}, seed += 10));
    }
  }
  for (const int head_dim : {8, 20, 80, 256}) {
    group.cases.push_back(attention_case({4, 2, head_dim}, {{260, 2}}, seed += 10));
  }
  return group;
}

OpGroup windows_group() {
  OpGroup group{"AttentionWindows", false, {}};
  uint64_t seed = 14000;
  for (const int window : {1, 2, 16, 100, 255, 256, 257, 300, 10000}) {
    for (const KvType type : {KvType::kFloat16, KvType::kFloat32}) {
      const AttentionShape shape = {4, 2, 32, window, same_kv_types(type)};
      group.cases.push_back(attention_case(shape, {{600, 9}}, seed += 10));
      group.cases.push_back(attention_case(shape, {{20, 20}, {513, 1}}, seed += 10));
    }
  }
  return group;
}

OpGroup batches_group() {
  OpGroup group{"AttentionBatches", true, {}};
  const std::vector<std::vector<SequenceShape>> batches = {
      {{1, 1}, {600, 1}, {256, 1}, {257, 1}, {30, 1}},
      {{40, 40}, {300, 1}, {513, 7}},
      {{300, 1}, {260, 20}, {5, 5}, {1, 1}},
  };
  uint64_t seed = 16000;
  for (const std::vector<SequenceShape>& batch : batches) {
    group.cases.push_back(attention_case({6, 2, 64}, batch, seed += 10));
    group.cases.push_back(attention_case({4, 1, 128, 128}, batch, seed += 10));
  }
  return group;
}

/// Few rows over many positions, which kernels may cut into spans: more of them than are merged at
/// once, longer ones where there are many kv heads, ends and beginnings inside of them.
OpGroup spans_group() {
  constexpr KvTypes kMixed = {KvType::kQ4, KvType::kFloat16};
  OpGroup group{"AttentionSpans", false, {}};
  uint64_t seed = 26000;
  for (const KvTypes& types : {KvTypes{}, kMixed}) {
    group.cases.push_back(attention_case({2, 1, 32, 0, types}, {{4500, 1}}, seed += 10));
    group.cases.push_back(attention_case({4, 1, 32, 1000, types}, {{4500, 1}, {70, 2}}, seed += 10)
    );
    group.cases.push_back(attention_case({64, 64, 32, 0, types}, {{600, 2}}, seed += 10));
    group.cases.push_back(attention_case({64, 64, 32, 500, types}, {{1030, 2}}, seed += 10));
    for (const int heads : {1, 2, 3, 4, 8, 16}) {
      group.cases.push_back(attention_case({heads, 1, 128, 0, types}, {{150, 2}}, seed += 10));
    }
    for (const int window : {15, 17, 63, 65, 130}) {
      group.cases.push_back(attention_case({4, 1, 128, window, types}, {{290, 6}}, seed += 10));
    }
    group.cases.push_back(attention_case({8, 2, 64, 0, types}, {{330, 32}}, seed += 10));
    group.cases.push_back(attention_case({8, 2, 256, 90, types}, {{330, 3}, {64, 1}}, seed += 10));
  }
  for (const KvType type : {KvType::kFloat16, KvType::kFloat32}) {
    for (const int head_dim : {6, 36, 72, 130, 250}) {
      const AttentionShape shape = {3, 1, head_dim, 0, same_kv_types(type)};
      group.cases.push_back(attention_case(shape, {{150, 2}}, seed += 10));
    }
    const AttentionShape shape = {4, 1, 256, 0, same_kv_types(type)};
    group.cases.push_back(attention_case(shape, {{150, 2}}, seed += 10));
  }
  return group;
}

/// Many rows: tiles that end inside a sequence, begin inside a page, or hold a few rows; every way
/// to share kv heads; every head size.
OpGroup prompts_group() {
  OpGroup group{"AttentionPrompts", true, {}};
  uint64_t seed = 20000;
  const std::vector<std::vector<SequenceShape>> batches = {
      {{64, 64}},
      {{300, 70}},
      {{33, 33}, {600, 5}, {1, 1}, {290, 17}, {257, 65}},
  };
  for (const std::vector<SequenceShape>& batch : batches) {
    for (const int head_dim : {64, 128}) {
      group.cases.push_back(attention_case({4, 1, head_dim}, batch, seed += 10));
    }
  }
  for (const int heads : {1, 2, 3, 4, 8, 16, 64}) {
    group.cases.push_back(attention_case({heads, 1, 64}, {{290, 35}, {9, 9}}, seed += 10));
  }
  group.cases.push_back(attention_case({8, 8, 64}, {{290, 35}, {9, 9}}, seed += 10));
  for (const int head_dim : {8, 20, 32, 64, 80, 96, 112, 128, 160, 256}) {
    group.cases.push_back(attention_case({4, 2, head_dim}, {{130, 40}}, seed += 10));
  }
  return group;
}

/// Calls of more than 64 rows, for which there may be kernels with larger tiles of rows and keys:
/// keys of one tile and of many, every way to share kv heads, windows around a tile of 128 keys.
OpGroup large_calls_group() {
  OpGroup group{"AttentionLargeCalls", true, {}};
  uint64_t seed = 28000;
  const std::vector<std::vector<SequenceShape>> batches = {
      {{80, 80}},
      {{560, 150}},
      {{1, 1}, {130, 65}, {390, 3}, {257, 30}},
  };
  for (const std::vector<SequenceShape>& batch : batches) {
    for (const int head_dim : {64, 128}) {
      group.cases.push_back(attention_case({6, 2, head_dim}, batch, seed += 10));
    }
  }
  for (const int heads : {1, 2, 5, 8, 16}) {
    group.cases.push_back(attention_case({heads, 1, 64}, {{290, 75}, {9, 9}}, seed += 10));
  }
  group.cases.push_back(attention_case({65, 1, 64}, {{66, 66}}, seed += 10));
  for (const int window : {1, 127, 128, 129, 300}) {
    group.cases.push_back(attention_case({3, 1, 128, window}, {{400, 70}, {20, 20}}, seed += 10));
  }
  return group;
}

OpGroup prompt_windows_group() {
  OpGroup group{"AttentionPromptWindows", true, {}};
  uint64_t seed = 22000;
  for (const int window : {1, 16, 63, 64, 65, 100, 256, 300, 10000}) {
    group.cases.push_back(attention_case({4, 2, 64, window}, {{600, 70}}, seed += 10));
    group.cases.push_back(attention_case({4, 1, 64, window}, {{20, 20}, {513, 37}}, seed += 10));
  }
  return group;
}

/// Every width with every head size.
OpGroup quantized_widths_group() {
  OpGroup group{"AttentionQuantizedWidths", false, {}};
  uint64_t seed = 18000;
  for (const KvType type : kQuantizedKvTypes) {
    for (const int head_dim : {32, 64, 96, 128, 256}) {
      const AttentionShape shape = {4, 2, head_dim, 0, same_kv_types(type)};
      group.cases.push_back(attention_case(shape, {{70, 3}}, seed += 10));
    }
  }
  return group;
}

/// Keys and values of different types, borders of pages, windows, groups of heads, batches.
OpGroup quantized_shapes_group() {
  constexpr KvTypes kFour = {KvType::kQ4, KvType::kQ4};
  constexpr KvTypes kMixed = {KvType::kQ8, KvType::kQ4};
  OpGroup group{"AttentionQuantizedShapes", true, {}};
  uint64_t seed = 19000;
  const std::vector<KvTypes> pairs = {
      kMixed,
      {KvType::kQ4, KvType::kQ8},
      {KvType::kQ5, KvType::kQ3},
      {KvType::kQ7, KvType::kQ6},
      {KvType::kFloat16, KvType::kQ4},
      {KvType::kQ6, KvType::kFloat16},
      {KvType::kQ2, KvType::kFloat32},
  };
  for (const KvTypes& types : pairs) {
    group.cases.push_back(attention_case({4, 2, 64, 0, types}, {{260, 2}, {1, 1}}, seed += 10));
  }
  for (const KvTypes& types : {kFour, kMixed}) {
    for (const int64_t length : {1, 17, 255, 256, 257, 513}) {
      group.cases.push_back(attention_case({4, 2, 64, 0, types}, {{length, 1}}, seed += 10));
    }
    for (const int window : {1, 16, 255, 257}) {
      group.cases.push_back(attention_case({4, 2, 32, window, types}, {{520, 9}}, seed += 10));
    }
    for (const int heads : {1, 3, 16}) {
      group.cases.push_back(attention_case({heads, 1, 128, 0, types}, {{70, 3}}, seed += 10));
    }
    group.cases.push_back(
        attention_case({6, 2, 64, 0, types}, {{300, 1}, {260, 20}, {5, 5}, {1, 1}}, seed += 10)
    );
    group.cases.push_back(
        attention_case({4, 1, 128, 128, types}, {{40, 40}, {300, 1}, {513, 7}}, seed += 10)
    );
  }
  group.cases.push_back(attention_case({2, 1, 32, 0, kFour}, {{270, 270}}, seed += 10));
  return group;
}

/// Many rows over every width, over every pair of types and with every head size.
OpGroup quantized_prompts_group() {
  constexpr KvTypes kMixed = {KvType::kQ8, KvType::kQ4};
  OpGroup group{"AttentionQuantizedPrompts", true, {}};
  uint64_t seed = 24000;
  for (const KvType type : kQuantizedKvTypes) {
    const AttentionShape shape = {4, 2, 64, 0, same_kv_types(type)};
    group.cases.push_back(attention_case(shape, {{290, 35}, {9, 9}}, seed += 10));
  }
  const std::vector<KvTypes> pairs = {
      kMixed,
      {KvType::kQ5, KvType::kQ3},
      {KvType::kFloat16, KvType::kQ4},
      {KvType::kQ6, KvType::kFloat16},
      {KvType::kQ2, KvType::kFloat32},
  };
  for (const KvTypes& types : pairs) {
    group.cases.push_back(attention_case({4, 1, 128, 0, types}, {{300, 40}}, seed += 10));
  }
  for (const int head_dim : {32, 64, 96, 128, 160, 256}) {
    group.cases.push_back(attention_case({4, 2, head_dim, 0, kMixed}, {{130, 40}}, seed += 10));
  }
  for (const int window : {16, 100, 257}) {
    group.cases.push_back(attention_case({4, 2, 64, window, kMixed}, {{600, 70}}, seed += 10));
  }
  return group;
}

}  // namespace

OpCase attention_case(
    const AttentionShape& shape, const std::vector<SequenceShape>& sequences, uint64_t seed
) {
  int64_t longest = 0;
  int64_t rows = 0;
  std::string name = fmt::format(
      "attention heads {}/{} of {} window {} {}:", shape.num_heads, shape.num_kv_heads,
      shape.head_dim, shape.window, kv_types_name(shape.cache)
  );
  for (const SequenceShape& sequence : sequences) {
    name += fmt::format(" {} of {}", sequence.tokens, sequence.length);
    longest = std::max(longest, sequence.length);
    rows += sequence.tokens;
  }
  const auto prepare = [=](Backend& backend) {
    PreparedOp op(backend);
    const RandomSequences layout(sequences, seed);
    const DeviceStep step = layout.upload_step(op);
    const Shape size = {layout.num_tokens(), int64_t{shape.num_heads} * shape.head_dim};
    AttentionArgs args;
    args.queries = op.upload(RandomData(seed + 1).normals(size.numel()), size);
    args.cache =
        layout.upload_cache(op, {shape.num_kv_heads, shape.head_dim, shape.cache}, seed + 2);
    args.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    args.num_heads = shape.num_heads;
    args.num_kv_heads = shape.num_kv_heads;
    args.head_dim = shape.head_dim;
    args.window = shape.window;
    args.output = op.allocate(size);
    op.outputs = {args.output};
    op.bytes = static_cast<double>(
        args.cache.keys.bytes() + args.cache.key_scales.bytes() + args.cache.values.bytes() +
        args.cache.value_scales.bytes() + 2 * args.output.bytes()
    );
    op.run = [&ops = backend.ops(), args, step] { ops.attention(args, step); };
    return op;
  };
  const Accuracy accuracy = rows > kMostExactRows ? Accuracy::kRoundedInputs : Accuracy::kFloat32;
  return {name, accuracy, longest + shape.head_dim, prepare};
}

std::vector<OpGroup> attention_groups() {
  return {
      lengths_group(),
      heads_group(),
      windows_group(),
      batches_group(),
      spans_group(),
      prompts_group(),
      large_calls_group(),
      prompt_windows_group(),
      quantized_widths_group(),
      quantized_shapes_group(),
      quantized_prompts_group()
  };
}

}  // namespace trellis::test
