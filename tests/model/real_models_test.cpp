// Trained models against what Hugging Face transformers (and for stories260K, llama2.c) computed
// from the same files.
#include "base/json.h"
#include "checkpoint/generation_config.h"
#include "model/model_harness.h"
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

namespace trellis::test {
namespace {

std::filesystem::path models() {
  return std::filesystem::path(std::getenv("TRELLIS_TEST_DATA")) / "models";
}

class RealModel : public testing::TestWithParam<
                      std::tuple<const char* /*directory*/, const char* /*backend*/>> {};

std::string readable(const testing::TestParamInfo<RealModel::ParamType>& info) {
  std::string name = fmt::format("{}_{}", std::get<0>(info.param), std::get<1>(info.param));
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

TEST_P(RealModel, ReproducesGreedyTokensAndTopLogitsOfTransformers) {
  const std::filesystem::path directory = models() / std::get<0>(GetParam());
  ModelHarness model(directory, std::get<1>(GetParam()));
  const std::vector<int32_t> stops = read_generation_config(directory).eos_token_ids;

  for (const Json& golden : read_json_file(directory / "golden_fp32.json")) {
    const auto prompt = golden.at("prompt_ids").get<std::vector<int32_t>>();
    const auto expected = golden.at("greedy_ids").get<std::vector<int32_t>>();

    const std::vector<float> last = model.logits(prompt, 1);
    const ModelHarness::Continuation actual = model.greedy(prompt, expected.size(), stops);

    for (const Json& top : golden.at("last_logits_top")) {
      EXPECT_NEAR(last.at(top.at(0).get<size_t>()), top.at(1).get<float>(), 2e-3)
          << golden.at("prompt");
    }
    EXPECT_THAT(actual.ids, testing::ElementsAreArray(expected)) << golden.at("prompt");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Fp32, RealModel,
    testing::Combine(
        testing::Values(
            "demo-25m", "tiny-1m", "draft-4m", "tiny-1m-exl3-mul1-3.0", "tiny-1m-exl3-3inst-2.5"
        ),
        testing::Values("cpu", "reference")
    ),
    readable
);

TEST(RealModels, Stories260kTellsTheStoryOfLlama2c) {
  const std::filesystem::path directory = models() / "stories260K";
  ModelHarness model(directory, "cpu");
  const auto tokenizer = Tokenizer::from_file(directory / "tokenizer.json");
  std::ifstream file(directory / "golden_greedy_200.txt");
  std::string expected((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  while (!expected.empty() && expected.back() == '\n') expected.pop_back();

  const std::vector<int32_t> ids = model.greedy({1}, 200).ids;

  std::string text = tokenizer->decode(ids, true);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  EXPECT_EQ(text, expected);
}

TEST(RealModels, Babyllama105ContinuesOnceUponATime) {
  const std::filesystem::path directory = models() / "babyllama105";
  ModelHarness model(directory, "cpu");
  const auto tokenizer = Tokenizer::from_file(directory / "tokenizer.json");
  const std::vector<int32_t> prompt = tokenizer->encode("Once upon a time", true);

  const std::string text = tokenizer->decode(model.greedy(prompt, 180).ids, true);

  EXPECT_THAT(
      text, testing::StartsWith(
                ", there was a little girl named Lily. She loved to play outside in the sunshine. "
                "One day, she went to the park with her mommy and daddy. She saw a big box"
            )
  );
}

}  // namespace
}  // namespace trellis::test
