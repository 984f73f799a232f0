#include "backend/layer_cases.h"

#include "backend/attention_cases.h"
#include "backend/linear_cases.h"

#include <array>

namespace trellis::test {
namespace {

constexpr int64_t kHidden = 2048;
constexpr int64_t kIntermediate = 8192;

/// Every linear layer shape at 4 bits, the widest one also with all other formats.
OpGroup layer_linear_group() {
  constexpr std::array<LinearShape, 4> kShapes = {{
      {kHidden, 3072, 1},  // q, k and v side by side
      {kHidden, kHidden, 1},
      {kHidden, kIntermediate, 1},
      {kIntermediate, kHidden, 1},
  }};
  OpGroup group{"LayerLinear", true, {}};
  uint64_t seed = 50000;
  const WeightFormat mul1 = WeightFormat::exl3(4, exl3::Codebook::kMul1);
  for (const LinearShape& shape : kShapes) {
    group.cases.push_back(linear_case(mul1, shape, seed += 10));
  }
  for (const int64_t rows : {4, 8, 16, 32, 128, 512}) {
    group.cases.push_back(linear_case(mul1, {kHidden, kIntermediate, rows}, seed += 10));
  }
  for (const WeightFormat& format : exl3_formats()) {
    if (format.bits == 4 && format.codebook == exl3::Codebook::kMul1) continue;
    group.cases.push_back(linear_case(format, {kHidden, kIntermediate, 1}, seed += 10));
  }
  for (const WeightFormat& format : dense_formats()) {
    group.cases.push_back(linear_case(format, {kHidden, kIntermediate, 1}, seed += 10));
    group.cases.push_back(linear_case(format, {kHidden, kIntermediate, 32}, seed += 10));
  }
  return group;
}

OpGroup layer_attention_group() {
  OpGroup group{"LayerAttention", true, {}};
  uint64_t seed = 60000;
  const AttentionShape shape = {32, 8, 64};
  for (const int64_t length : {256, 1024, 8192}) {
    group.cases.push_back(attention_case(shape, {{length, 1}}, seed += 10));
  }
  group.cases.push_back(attention_case(shape, {{512, 512}}, seed += 10));
  group.cases.push_back(attention_case(shape, {{4096, 512}}, seed += 10));
  for (const KvType type : {KvType::kFloat16, KvType::kQ8, KvType::kQ4}) {
    const AttentionShape typed = {32, 8, 64, 0, same_kv_types(type)};
    group.cases.push_back(attention_case(typed, {{4096, 1}}, seed += 10));
    if (is_quantized(type)) {
      group.cases.push_back(attention_case(typed, {{4096, 512}}, seed += 10));
    }
  }
  return group;
}

}  // namespace

std::vector<OpGroup> layer_groups() {
  return {layer_linear_group(), layer_attention_group()};
}

}  // namespace trellis::test
