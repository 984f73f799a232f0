// Random weights by way of files are the same model as without.
#include "apps/trellis/random_checkpoint.h"

#include "apps/trellis/bare_model.h"
#include "apps/trellis/shapes.h"
#include "base/temporary_directory.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace trellis {
namespace {

/// A shape's family in small.
ModelConfig small(const std::string& shape) {
  ModelConfig config = shape_config(shape);
  config.hidden_size = 256;
  config.intermediate_size = 384;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.vocab_size = 300;
  config.layer_windows.assign(2, 0);
  return config;
}

std::vector<float> logits_of(std::shared_ptr<const Model> model, Backend& backend) {
  BareModel bare(std::move(model), backend, same_kv_types(KvType::kFloat16), 1, 256);
  const std::vector<int32_t> tokens = {5, 250, 17};
  const auto logits = bare.run(0, 0, tokens, 3);
  return {logits.begin(), logits.end()};
}

class RandomCheckpoint : public testing::TestWithParam<const char*> {};

TEST_P(RandomCheckpoint, HoldsTheRandomModel) {
  const TemporaryDirectory directory;
  const ModelConfig config = small(GetParam());
  const auto backend = create_backend("cpu", {.num_threads = 2});
  for (const auto codebook :
       {exl3::Codebook::k3inst, exl3::Codebook::kMcg, exl3::Codebook::kMul1}) {
    const RandomWeights weights = {3, codebook, 6, 1};
    const auto folder = directory.path() / std::to_string(static_cast<int>(codebook));
    std::filesystem::create_directory(folder);

    write_random_checkpoint(config, weights, folder);

    const std::shared_ptr<const Model> loaded = load_model(Checkpoint(folder), config, *backend);
    EXPECT_EQ(
        logits_of(loaded, *backend),
        logits_of(make_random_model(config, weights, *backend), *backend)
    );
  }
}

INSTANTIATE_TEST_SUITE_P(
    , RandomCheckpoint, testing::Values("llama-3.1-8b", "qwen2.5-1.5b", "qwen3-0.6b"),
    [](const auto& info) {
      std::string name = info.param;
      std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
      return name;
    }
);

}  // namespace
}  // namespace trellis
