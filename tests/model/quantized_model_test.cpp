// tiny-1m quantized to 3 bits by this project, against transformers on the same decoded weights and
// against its fp16 parent.
#include "base/json.h"
#include "checkpoint/generation_config.h"
#include "model/kl_divergence.h"
#include "model/model_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace trellis::test {
namespace {

const std::filesystem::path kModels =
    std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "models";
const std::filesystem::path kParent = kModels / "tiny-1m";
const std::filesystem::path kQuantized = kModels / "tiny-1m-exl3-3.0bpw";

/// Mean KL divergence to the parent over 16,352 positions of conversations (docs/quality.md).
constexpr double kKlDivergence = 0.3754;

class QuantizedTinyModel : public testing::TestWithParam<const char*> {};

TEST_P(QuantizedTinyModel, ReproducesGreedyTokensAndTopLogitsOfTransformers) {
  ModelHarness model(kQuantized, GetParam());
  const std::vector<int32_t> stops = read_generation_config(kQuantized).eos_token_ids;
  const Json document = read_json_file(kQuantized / "golden_fp32.json");
  const Json& prompts = document.at("prompts");
  ASSERT_EQ(prompts.size(), 6u);

  for (const Json& golden : prompts) {
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

TEST_P(QuantizedTinyModel, IsNoFartherFromItsParentThanOnTheWholeTestText) {
  ModelHarness model(kQuantized, GetParam());
  ModelHarness parent(kParent, GetParam());

  std::vector<double> divergences;
  for (const std::vector<int32_t>& text : answered_prompts(kParent)) {
    const auto positions = static_cast<int>(text.size());
    const std::vector<float> wanted = parent.logits(text, positions);
    for (const double one : kl_divergences(wanted, model.logits(text, positions), text.size())) {
      divergences.push_back(one);
    }
  }

  const auto count = static_cast<double>(divergences.size());
  double mean = 0.0;
  for (const double divergence : divergences) mean += divergence / count;
  double variance = 0.0;
  for (const double divergence : divergences) {
    variance += (divergence - mean) * (divergence - mean) / (count - 1.0);
  }
  const double standard_error = std::sqrt(variance / count);
  EXPECT_GE(count, 200.0);
  EXPECT_LT(mean, kKlDivergence + 4.0 * standard_error) << "standard error " << standard_error;
  EXPECT_GT(mean, 0.05) << "the parent itself, it seems";
}

INSTANTIATE_TEST_SUITE_P(
    Backends, QuantizedTinyModel, testing::Values("cpu", "reference"),
    [](const auto& info) { return std::string(info.param); }
);

TEST(QuantizedTinyModelLogits, AreTheSameOnBothBackends) {
  ModelHarness cpu(kQuantized, "cpu");
  ModelHarness reference(kQuantized, "reference");

  for (const std::vector<int32_t>& text : answered_prompts(kParent)) {
    const std::vector<float> actual = cpu.logits(text, static_cast<int>(text.size()));
    const std::vector<float> expected = reference.logits(text, static_cast<int>(text.size()));
    float largest = 0.0f;
    for (const float logit : expected) largest = std::max(largest, std::fabs(logit));
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t index = 0; index < actual.size(); ++index) {
      ASSERT_NEAR(actual[index], expected[index], 1e-4f * largest) << "logit " << index;
    }
  }
}

}  // namespace
}  // namespace trellis::test
