// Real models and the EXL3 files of the reference implementation, from the folder that
// TRELLIS_TEST_DATA names.
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/generation_config.h"
#include "checkpoint/model_config.h"
#include "checkpoint/tokenizer_config.h"
#include "checkpoint/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace trellis {
namespace {

std::vector<std::filesystem::path> sorted_entries(
    const std::filesystem::path& folder, const std::string& needed
) {
  std::set<std::filesystem::path> found;
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(item.path() / needed)) found.insert(item.path());
  }
  return {found.begin(), found.end()};
}

const std::filesystem::path kData = TRELLIS_TEST_DATA;

std::string test_name(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

class ModelDirectory : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(ModelDirectory, LoadsEveryTensorThatItsConfigurationAsksFor) {
  const ModelConfig config = read_model_config(GetParam());
  const Checkpoint checkpoint(GetParam());
  const int64_t hidden = config.hidden_size;
  const int64_t query = config.num_attention_heads * config.head_dim;
  const int64_t key = config.num_key_value_heads * config.head_dim;

  load_matrix(checkpoint, "model.embed_tokens.weight", config.vocab_size, hidden);
  load_vector(checkpoint, "model.norm.weight", hidden);
  load_head(checkpoint, hidden, config.vocab_size, config.tie_word_embeddings);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    load_vector(checkpoint, layer + "input_layernorm.weight", hidden);
    load_vector(checkpoint, layer + "post_attention_layernorm.weight", hidden);
    const auto linear = [&](const char* name, int64_t in, int64_t out) {
      const LinearWeight weight = load_linear(checkpoint, layer + name, in, out, false);
      EXPECT_EQ(std::holds_alternative<Exl3Weight>(weight), config.quantization.has_value());
    };
    linear("self_attn.q_proj", hidden, query);
    linear("self_attn.k_proj", hidden, key);
    linear("self_attn.v_proj", hidden, key);
    linear("self_attn.o_proj", query, hidden);
    linear("mlp.gate_proj", hidden, config.intermediate_size);
    linear("mlp.up_proj", hidden, config.intermediate_size);
    linear("mlp.down_proj", config.intermediate_size, hidden);
  }
}

TEST_P(ModelDirectory, HasTheTensorsAndBytesThatItsFilesHold) {
  const Checkpoint checkpoint(GetParam());

  uint64_t data_bytes = 0;
  size_t num_tensors = 0;
  for (const auto& item : std::filesystem::directory_iterator(GetParam())) {
    if (item.path().extension() != ".safetensors") continue;
    const SafetensorsFile file(item.path());
    num_tensors += file.names().size();
    for (const auto& [name, entry] : file.entries()) data_bytes += entry.end - entry.begin;
  }

  EXPECT_EQ(checkpoint.names().size(), num_tensors);
  EXPECT_EQ(checkpoint.bytes(), data_bytes);
}

TEST_P(ModelDirectory, SaysWhereItsAnswersEnd) {
  const GenerationConfig generation = read_generation_config(GetParam());
  const TokenizerConfig tokenizer = read_tokenizer_config(GetParam());

  EXPECT_FALSE(generation.eos_token_ids.empty());
  EXPECT_TRUE(tokenizer.eos_token.has_value());
  EXPECT_TRUE(tokenizer.add_bos_token.has_value());
}

INSTANTIATE_TEST_SUITE_P(
    TestData, ModelDirectory, ::testing::ValuesIn(sorted_entries(kData / "models", "config.json")),
    [](const auto& info) { return test_name(info.param); }
);

class QuantizedModelDirectory : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(QuantizedModelDirectory, AgreesWithItsTensorStorage) {
  const Json storage = read_json_file(GetParam() / "quantization_config.json")["tensor_storage"];
  const Checkpoint checkpoint(GetParam());

  size_t num_tensors = 0;
  for (const auto& [module, value] : storage.items()) {
    for (const auto& [name, tensor] : value["stored_tensors"].items()) {
      ++num_tensors;
      const ConstTensor found = checkpoint.tensor(name);
      Json shape = Json::array();
      for (int axis = 0; axis < found.rank(); ++axis) shape.push_back(found.dim(axis));
      EXPECT_EQ(shape, tensor["shape"]) << name;
      EXPECT_EQ(found.bytes(), tensor["n_bytes"].get<size_t>()) << name;
    }
  }
  EXPECT_EQ(checkpoint.names().size(), num_tensors);
}

INSTANTIATE_TEST_SUITE_P(
    TestData, QuantizedModelDirectory,
    ::testing::ValuesIn(sorted_entries(kData / "models", "quantization_config.json")),
    [](const auto& info) { return test_name(info.param); }
);

}  // namespace
}  // namespace trellis
