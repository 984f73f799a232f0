#include "apps/trellis/weight_sizes.h"

#include "apps/trellis/layer_summary.h"
#include "model/registry.h"

namespace trellis {
namespace {

size_t norm_bytes(const ModelConfig& config) {
  return sizeof(float) *
         static_cast<size_t>((2 * config.num_hidden_layers + 1) * config.hidden_size);
}

}  // namespace

WeightSizes weight_sizes(const Checkpoint& checkpoint, const ModelConfig& config) {
  WeightSizes sizes;
  const ModelSpec spec = make_model_spec(config);
  for (const LayerSpec& layer : spec.layers) {
    for (const LinearSummary& linear : summarize_layer(checkpoint, layer)) {
      sizes.linear_bytes += linear.bytes;
    }
  }
  sizes.linear_bytes +=
      summarize_head(checkpoint, spec, config.hidden_size, config.vocab_size).bytes;
  sizes.embedding_bytes = checkpoint.tensor(spec.embedding).bytes() + norm_bytes(config);
  return sizes;
}

WeightSizes random_weight_sizes(const ModelConfig& config, int bits, int head_bits) {
  WeightSizes sizes;
  const ModelSpec spec = make_model_spec(config);
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    for (const LinearSpec* linear :
         {&attention.query, &attention.key, &attention.value, &attention.output, &layer.gate,
          &layer.up, &layer.down}) {
      sizes.linear_bytes += static_cast<size_t>(linear->in * linear->out * bits / 8);
    }
  }
  const int64_t table = config.vocab_size * config.hidden_size;
  sizes.linear_bytes += static_cast<size_t>(table * head_bits / 8);
  sizes.embedding_bytes = static_cast<size_t>(2 * table) + norm_bytes(config);
  return sizes;
}

}  // namespace trellis
