#include "apps/trellis/memory_plan.h"

#include "apps/trellis/layer_summary.h"
#include "cache/cache_storage.h"
#include "model/registry.h"

namespace trellis {
namespace {

int pages_of(int64_t tokens) {
  return static_cast<int>((tokens + kPageTokens - 1) / kPageTokens);
}

/// The residual stream, its norm, queries, keys, values and attention output, gate and up: fp32
/// each; and the logits of one token.
size_t plan_activation_bytes(const ModelConfig& config) {
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t kv = config.num_key_value_heads * config.head_dim;
  const int64_t numbers =
      2 * config.hidden_size + 2 * query + 2 * kv + 2 * config.intermediate_size;
  return sizeof(float) * static_cast<size_t>(kPlannedStepTokens * numbers + config.vocab_size);
}

size_t norm_bytes(const ModelConfig& config) {
  return sizeof(float) *
         static_cast<size_t>((2 * config.num_hidden_layers + 1) * config.hidden_size);
}

size_t cache_bytes_per_token(const ModelConfig& config, KvTypes types) {
  return CacheStorage::bytes_per_token(
      {static_cast<int>(config.num_hidden_layers), static_cast<int>(config.num_key_value_heads),
       static_cast<int>(config.head_dim), types}
  );
}

MemoryPlan plan_without_linears(
    const ModelConfig& config, KvTypes cache_types, int64_t context_tokens
) {
  MemoryPlan plan;
  plan.cache_token_bytes = cache_bytes_per_token(config, cache_types);
  plan.cache_bytes = plan_cache_bytes(config, cache_types, pages_of(context_tokens));
  plan.activation_bytes = plan_activation_bytes(config);
  return plan;
}

}  // namespace

size_t plan_cache_bytes(const ModelConfig& config, KvTypes types, int pages) {
  return kPageTokens * cache_bytes_per_token(config, types) * static_cast<size_t>(pages);
}

MemoryPlan plan_memory(
    const Checkpoint& checkpoint, const ModelConfig& config, KvTypes cache_types,
    int64_t context_tokens
) {
  MemoryPlan plan = plan_without_linears(config, cache_types, context_tokens);
  const ModelSpec spec = make_model_spec(config);
  for (const LayerSpec& layer : spec.layers) {
    for (const LinearSummary& linear : summarize_layer(checkpoint, layer)) {
      plan.linear_bytes += linear.bytes;
    }
  }
  plan.linear_bytes +=
      summarize_head(checkpoint, spec, config.hidden_size, config.vocab_size).bytes;
  plan.embedding_bytes = checkpoint.tensor(spec.embedding).bytes() + norm_bytes(config);
  return plan;
}

MemoryPlan plan_random_memory(
    const ModelConfig& config, int bits, int head_bits, KvTypes cache_types, int64_t context_tokens
) {
  MemoryPlan plan = plan_without_linears(config, cache_types, context_tokens);
  const ModelSpec spec = make_model_spec(config);
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& attention = layer.attention;
    for (const LinearSpec* linear :
         {&attention.query, &attention.key, &attention.value, &attention.output, &layer.gate,
          &layer.up, &layer.down}) {
      plan.linear_bytes += static_cast<size_t>(linear->in * linear->out * bits / 8);
    }
  }
  const int64_t table = config.vocab_size * config.hidden_size;
  plan.linear_bytes += static_cast<size_t>(table * head_bits / 8);
  plan.embedding_bytes = static_cast<size_t>(2 * table) + norm_bytes(config);
  return plan;
}

}  // namespace trellis
