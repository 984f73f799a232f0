// Every architecture against Hugging Face transformers: tiny random checkpoints, their logits and
// greedy tokens (golden/, made by make_arch_golden.py).
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "model/model_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace trellis::test {
namespace {

const std::filesystem::path kGolden = TRELLIS_SOURCE_DIR "/tests/model/golden";

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Architecture : public testing::TestWithParam<std::tuple<std::string, const char*>> {
 protected:
  std::filesystem::path directory() const { return kGolden / std::get<0>(GetParam()); }
  Json golden() const { return read_json_file(directory() / "golden.json"); }
  std::vector<int32_t> prompt() const {
    return golden().at("prompt_ids").get<std::vector<int32_t>>();
  }
  ModelHarness load() const { return ModelHarness(directory(), std::get<1>(GetParam())); }
};

TEST_P(Architecture, ComputesTheLogitsOfTransformers) {
  ModelHarness model = load();
  const SafetensorsFile file(directory() / "golden.safetensors");
  const ConstTensor expected = file.tensor("logits");
  const int rows = static_cast<int>(expected.dim(0));
  std::vector<float> values(static_cast<size_t>(expected.numel()));
  std::memcpy(values.data(), expected.data(), expected.bytes());

  const std::vector<float> actual = model.logits(prompt(), rows);

  ASSERT_EQ(actual.size(), values.size());
  double error = 0.0;
  double norm = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(actual[i]) - values[i], 2);
    norm += std::pow(static_cast<double>(values[i]), 2);
  }
  EXPECT_LT(std::sqrt(error / norm), 1e-4);
}

TEST_P(Architecture, GeneratesTheGreedyTokensOfTransformers) {
  ModelHarness model = load();
  const auto expected = golden().at("greedy_ids").get<std::vector<int32_t>>();
  ASSERT_EQ(expected.size(), 32u);

  EXPECT_THAT(model.greedy(prompt(), expected.size()).ids, testing::ElementsAreArray(expected));
}

TEST_P(Architecture, GivesTheSameBitsWhereverThePromptIsCut) {
  ModelHarness model = load();

  const std::vector<float> whole = model.logits(prompt(), 1);

  EXPECT_EQ(model.logits(prompt(), 1, 7), whole);
  EXPECT_EQ(model.logits(prompt(), 1, 1), whole);
}

INSTANTIATE_TEST_SUITE_P(
    Golden, Architecture,
    testing::Combine(testing::ValuesIn(cases()), testing::Values("cpu", "reference")),
    [](const auto& info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param); }
);

}  // namespace
}  // namespace trellis::test
