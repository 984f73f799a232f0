#include "model/arch/llama.h"

#include <cmath>

namespace trellis {
namespace {

LayerSpec llama_layer(const ModelConfig& config, int64_t index) {
  const std::string prefix = fmt::format("model.layers.{}.", index);
  const int64_t hidden = config.hidden_size;
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t kv = config.num_key_value_heads * config.head_dim;
  const int64_t inner = config.intermediate_size;
  const bool bias = config.attention_bias;

  LayerSpec layer;
  layer.attention_norm = {prefix + "input_layernorm.weight", hidden};
  layer.attention.query = {prefix + "self_attn.q_proj", hidden, query, bias};
  layer.attention.key = {prefix + "self_attn.k_proj", hidden, kv, bias};
  layer.attention.value = {prefix + "self_attn.v_proj", hidden, kv, bias};
  layer.attention.output = {
      prefix + "self_attn.o_proj", query, hidden, config.attention_output_bias
  };
  layer.attention.shape = {
      static_cast<int>(config.num_attention_heads),
      static_cast<int>(config.num_key_value_heads),
      static_cast<int>(config.head_dim),
      config.layer_windows[static_cast<size_t>(index)],
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim))),
      static_cast<float>(config.rms_norm_eps)
  };
  layer.mlp_norm = {prefix + "post_attention_layernorm.weight", hidden};
  layer.gate = {prefix + "mlp.gate_proj", hidden, inner, config.mlp_bias};
  layer.up = {prefix + "mlp.up_proj", hidden, inner, config.mlp_bias};
  layer.down = {prefix + "mlp.down_proj", inner, hidden, config.mlp_bias};
  return layer;
}

}  // namespace

ModelSpec llama(const ModelConfig& config) {
  ModelSpec spec;
  spec.embedding = "model.embed_tokens.weight";
  spec.final_norm = {"model.norm.weight", config.hidden_size};
  spec.tied_head = config.tie_word_embeddings;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    spec.layers.push_back(llama_layer(config, i));
  }
  return spec;
}

ModelSpec qwen3(const ModelConfig& config) {
  ModelSpec spec = llama(config);
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.self_attn.", i);
    spec.layers[i].attention.query_norm = NormSpec{prefix + "q_norm.weight", config.head_dim};
    spec.layers[i].attention.key_norm = NormSpec{prefix + "k_norm.weight", config.head_dim};
  }
  return spec;
}

}  // namespace trellis
