// config.json of a model directory as a typed struct: parsed here once, JSON travels no further.
// What would change the model's numbers and is not supported is refused; fields that do not matter
// are ignored.
#pragma once

#include "backend/args.h"
#include "base/json.h"
#include "checkpoint/quantization_config.h"
#include "checkpoint/rope_config.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

/// The numbers of one model. Absent fields hold the defaults of the model's architecture in Hugging
/// Face transformers.
struct ModelConfig {
  std::string architecture;  // e.g. "LlamaForCausalLM"
  std::string model_type;    // e.g. "llama"
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;  // divides num_attention_heads
  int64_t head_dim = 0;             // even
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  bool tie_word_embeddings = false;
  bool attention_bias = false;         // of q_proj, k_proj and v_proj
  bool attention_output_bias = false;  // of o_proj
  bool mlp_bias = false;
  std::vector<int> layer_windows;  // [num_hidden_layers] positions a layer sees, itself included; 0
                                   // = all before it
  Activation activation = Activation::kSilu;
  std::optional<int32_t> bos_token_id;
  std::vector<int32_t> eos_token_ids;
  std::optional<QuantizationConfig> quantization;
};

/// Reads <directory>/config.json. Throws UserError naming the file and the key path of what is
/// wrong.
ModelConfig read_model_config(const std::filesystem::path& directory);

/// The same from the parsed document; origin names it in errors.
ModelConfig parse_model_config(const Json& document, const std::string& origin);

}  // namespace trellis
