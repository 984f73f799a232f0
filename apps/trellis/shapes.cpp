#include "apps/trellis/shapes.h"

#include "base/error.h"

#include <fmt/ranges.h>

namespace trellis {
namespace {

enum class Family : uint8_t { kLlama3, kMistral, kQwen2, kQwen3 };

/// One row: the published config.json of the model, in numbers.
struct ModelShape {
  const char* name;
  Family family;
  int64_t hidden, intermediate, layers, heads, kv_heads, head_dim, vocab;
  bool tied;
};

constexpr ModelShape kShapes[] = {
    {"llama-3.2-1b", Family::kLlama3, 2048, 8192, 16, 32, 8, 64, 128256, true},
    {"llama-3.2-3b", Family::kLlama3, 3072, 8192, 28, 24, 8, 128, 128256, true},
    {"llama-3.1-8b", Family::kLlama3, 4096, 14336, 32, 32, 8, 128, 128256, false},
    {"qwen2.5-0.5b", Family::kQwen2, 896, 4864, 24, 14, 2, 64, 151936, true},
    {"qwen2.5-1.5b", Family::kQwen2, 1536, 8960, 28, 12, 2, 128, 151936, true},
    {"qwen2.5-3b", Family::kQwen2, 2048, 11008, 36, 16, 2, 128, 151936, true},
    {"qwen2.5-7b", Family::kQwen2, 3584, 18944, 28, 28, 4, 128, 152064, false},
    {"qwen3-0.6b", Family::kQwen3, 1024, 3072, 28, 16, 8, 128, 151936, true},
    {"qwen3-1.7b", Family::kQwen3, 2048, 6144, 28, 16, 8, 128, 151936, true},
    {"qwen3-4b", Family::kQwen3, 2560, 9728, 36, 32, 8, 128, 151936, true},
    {"qwen3-8b", Family::kQwen3, 4096, 12288, 36, 32, 8, 128, 151936, false},
    {"mistral-7b", Family::kMistral, 4096, 14336, 32, 32, 8, 128, 32768, false},
};

void set_family(Family family, bool tied, ModelConfig& config) {
  switch (family) {
    case Family::kLlama3:
      config.architecture = "LlamaForCausalLM";
      config.model_type = "llama";
      config.max_position_embeddings = 131072;
      config.rms_norm_eps = 1e-5;
      config.rope.type = RopeConfig::Type::kLlama3;
      config.rope.theta = 500000;
      config.rope.factor = tied ? 32 : 8;  // 3.2 and 3.1
      config.rope.low_frequency_factor = 1;
      config.rope.high_frequency_factor = 4;
      config.rope.original_max_position_embeddings = 8192;
      return;
    case Family::kMistral:
      config.architecture = "MistralForCausalLM";
      config.model_type = "mistral";
      config.max_position_embeddings = 32768;
      config.rms_norm_eps = 1e-5;
      config.rope.theta = 1000000;
      return;
    case Family::kQwen2:
      config.architecture = "Qwen2ForCausalLM";
      config.model_type = "qwen2";
      config.max_position_embeddings = 32768;
      config.rms_norm_eps = 1e-6;
      config.rope.theta = 1000000;
      config.attention_bias = true;
      return;
    case Family::kQwen3:
      config.architecture = "Qwen3ForCausalLM";
      config.model_type = "qwen3";
      config.max_position_embeddings = 40960;
      config.rms_norm_eps = 1e-6;
      config.rope.theta = 1000000;
      return;
  }
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const ModelShape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

ModelConfig shape_config(const std::string& name) {
  for (const ModelShape& shape : kShapes) {
    if (name != shape.name) continue;
    ModelConfig config{};
    config.hidden_size = shape.hidden;
    config.intermediate_size = shape.intermediate;
    config.num_hidden_layers = shape.layers;
    config.num_attention_heads = shape.heads;
    config.num_key_value_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.vocab_size = shape.vocab;
    config.tie_word_embeddings = shape.tied;
    config.layer_windows.assign(static_cast<size_t>(shape.layers), 0);
    config.activation = Activation::kSilu;
    set_family(shape.family, shape.tied, config);
    return config;
  }
  throw UserError("no shape \"{}\"; known are {}", name, fmt::join(shape_names(), ", "));
}

}  // namespace trellis
