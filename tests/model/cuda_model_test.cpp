// tiny-1m, dense and in 3 bits, on the CUDA backend: what transformers answered, and what the CPU
// thinks of every token.
#include "backend/cpu/cpu_backend.h"
#include "backend/cuda/cuda_backend.h"
#include "base/json.h"
#include "model/kl_divergence.h"
#include "model/model_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

namespace trellis::test {
namespace {

/// Of the golden prompts, about 20 tokens each. The emulation takes 30 ms for a token.
constexpr size_t kPrompts = 2;
constexpr size_t kAnswerTokens = 8;

class CudaModel : public testing::TestWithParam<const char*> {
 protected:
  struct Example {
    std::vector<int32_t> prompt;
    std::vector<int32_t> answer;  // begins the one of transformers
    Json last_logits_top;
  };

  std::vector<Example> examples() const {
    const Json document = read_json_file(directory_ / "golden_fp32.json");
    const Json& prompts = document.is_array() ? document : document.at("prompts");
    std::vector<Example> examples;
    for (size_t i = 0; i < kPrompts; ++i) {
      const Json& golden = prompts.at(i);
      auto answer = golden.at("greedy_ids").get<std::vector<int32_t>>();
      answer.resize(std::min(answer.size(), kAnswerTokens));
      examples.push_back(
          {golden.at("prompt_ids").get<std::vector<int32_t>>(), answer, golden.at("last_logits_top")
          }
      );
    }
    return examples;
  }

  std::filesystem::path directory_ =
      std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "models" / GetParam();
  ModelHarness model_ = {directory_, make_cuda_backend(ModelHarness::kExact)};
};

TEST_P(CudaModel, BeginsTheAnswersOfTransformers) {
  for (const Example& example : examples()) {
    const std::vector<float> last = model_.logits(example.prompt, 1);
    const ModelHarness::Continuation actual = model_.greedy(example.prompt, example.answer.size());

    for (const Json& top : example.last_logits_top) {
      EXPECT_NEAR(last.at(top.at(0).get<size_t>()), top.at(1).get<float>(), 2e-3);
    }
    EXPECT_THAT(actual.ids, testing::ElementsAreArray(example.answer));
  }
}

TEST_P(CudaModel, GivesEveryTokenTheProbabilityThatTheCpuGives) {
  ModelHarness cpu(directory_, make_cpu_backend(ModelHarness::kExact));

  for (const Example& example : examples()) {
    std::vector<int32_t> text = example.prompt;
    text.insert(text.end(), example.answer.begin(), example.answer.end());
    const auto positions = static_cast<int>(text.size());
    const std::vector<float> expected = cpu.logits(text, positions);
    const std::vector<float> actual = model_.logits(text, positions);

    // fp32 throughout: all that differs is the order of sums.
    EXPECT_THAT(kl_divergences(expected, actual, text.size()), testing::Each(testing::Lt(1e-6)));
  }
}

/// A prompt at once and token by token: many rows and few.
TEST_P(CudaModel, GivesNearlyTheSameWithRoundedActivations) {
  ModelHarness cpu(directory_, make_cpu_backend(ModelHarness::kExact));
  ModelHarness rounded(directory_, make_cuda_backend({}));
  const std::vector<int32_t> text = examples().front().prompt;
  const auto positions = static_cast<int>(text.size());

  const std::vector<float> expected = cpu.logits(text, positions);

  for (const size_t chunk : {size_t{512}, size_t{3}, size_t{1}}) {
    const std::vector<float> actual = rounded.logits(text, positions, chunk);
    EXPECT_THAT(kl_divergences(expected, actual, text.size()), testing::Each(testing::Lt(2e-3)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, CudaModel, testing::Values("tiny-1m", "tiny-1m-exl3-3.0bpw"),
    [](const auto& info) {
      std::string name = info.param;
      std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    }
);

}  // namespace
}  // namespace trellis::test
