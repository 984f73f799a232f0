// config.json files of every supported architecture against what Hugging Face transformers
// understands by them; see make_config_golden.py.
#include "base/json.h"
#include "checkpoint/model_config.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

const Json& golden_cases() {
  static const Json document = read_json_file(
      std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests/checkpoint/golden/configs.json"
  );
  return document["cases"];
}

std::string rope_type_name(RopeConfig::Type type) {
  switch (type) {
    case RopeConfig::Type::kDefault:
      return "default";
    case RopeConfig::Type::kLinear:
      return "linear";
    case RopeConfig::Type::kLlama3:
      return "llama3";
    case RopeConfig::Type::kYarn:
      return "yarn";
  }
  return "?";
}

/// The configuration as the golden file spells it.
Json spell(const ModelConfig& config) {
  return {
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_hidden_layers", config.num_hidden_layers},
      {"num_attention_heads", config.num_attention_heads},
      {"num_key_value_heads", config.num_key_value_heads},
      {"head_dim", config.head_dim},
      {"vocab_size", config.vocab_size},
      {"max_position_embeddings", config.max_position_embeddings},
      {"rms_norm_eps", config.rms_norm_eps},
      {"tie_word_embeddings", config.tie_word_embeddings},
      {"attention_bias", config.attention_bias},
      {"attention_output_bias", config.attention_output_bias},
      {"mlp_bias", config.mlp_bias},
      {"layer_windows", config.layer_windows},
      {"bos_token_id", config.bos_token_id ? Json(*config.bos_token_id) : Json()},
      {"eos_token_ids", config.eos_token_ids},
      {"rope_type", rope_type_name(config.rope.type)},
      {"rope_theta", config.rope.theta},
      {"rope_factor", config.rope.factor}
  };
}

class ConfigGolden : public ::testing::TestWithParam<size_t> {};

TEST_P(ConfigGolden, IsReadAsTransformersReadsIt) {
  const Json& golden = golden_cases()[GetParam()];

  const ModelConfig config = parse_model_config(golden["config"], "config.json");

  EXPECT_EQ(config.architecture, golden["config"]["architectures"][0].get<std::string>());
  EXPECT_EQ(spell(config).dump(1), golden["expected"].dump(1));
}

INSTANTIATE_TEST_SUITE_P(
    Transformers, ConfigGolden, ::testing::Range<size_t>(0, golden_cases().size()),
    [](const auto& info) { return golden_cases()[info.param]["name"].template get<std::string>(); }
);

}  // namespace
}  // namespace trellis
