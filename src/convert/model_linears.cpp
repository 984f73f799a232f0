#include "convert/model_linears.h"

#include "convert/bit_allocation.h"
#include "exl3/hadamard.h"

namespace trellis {
namespace {

constexpr int kAttentionPriority = 2;
constexpr int kMlpPriority = 0;

int64_t padded(int64_t size) {
  return (size + exl3::kHadamardBlock - 1) / exl3::kHadamardBlock * exl3::kHadamardBlock;
}

/// Layers of one block that must have the same bit width, and how urgently they want more.
struct LinearGroup {
  int priority;
  std::vector<LinearSpec> linears;
};

std::vector<LinearGroup> groups_of(const LayerSpec& layer) {
  const AttentionSpec& attention = layer.attention;
  return {
      {kAttentionPriority, {attention.query, attention.key, attention.value}},
      {kAttentionPriority, {attention.output}},
      {kMlpPriority, {layer.gate, layer.up}},
      {kMlpPriority, {layer.down}},
  };
}

}  // namespace

int64_t ModelLinear::num_weights() const {
  return padded(spec.in) * padded(spec.out);
}

std::vector<ModelLinear> list_linears(
    const ModelSpec& spec, const ModelConfig& config, double bits, int head_bits
) {
  std::vector<ModelLinear> linears;
  std::vector<size_t> group_of;  // of each linear
  std::vector<BitGroup> groups;
  for (size_t block = 0; block < spec.layers.size(); ++block) {
    for (const LinearGroup& group : groups_of(spec.layers[block])) {
      BitGroup& together = groups.emplace_back();
      together.priority = group.priority;
      together.block = static_cast<int64_t>(block);
      for (const LinearSpec& linear : group.linears) {
        linears.push_back({linear});
        group_of.push_back(groups.size() - 1);
        together.num_weights += linears.back().num_weights();
      }
    }
  }
  const std::vector<int> widths =
      allocate_bits(groups, static_cast<int64_t>(spec.layers.size()), bits);
  for (size_t index = 0; index < linears.size(); ++index) {
    linears[index].bits = widths[group_of[index]];
  }
  if (head_bits != kUnquantizedHeadBits) {
    linears.push_back({{"lm_head", config.hidden_size, config.vocab_size, false}, head_bits, true});
  }
  return linears;
}

double average_bits(const std::vector<ModelLinear>& linears) {
  double num_bits = 0.0;
  double num_weights = 0.0;
  for (const ModelLinear& linear : linears) {
    if (linear.is_head) continue;
    num_bits += static_cast<double>(linear.bits) * static_cast<double>(linear.num_weights());
    num_weights += static_cast<double>(linear.num_weights());
  }
  return num_weights > 0.0 ? num_bits / num_weights : 0.0;
}

}  // namespace trellis
