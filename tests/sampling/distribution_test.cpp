// What is drawn, by 100,000 draws of each transform, against probabilities worked by hand.
#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace trellis {
namespace {

constexpr size_t kVocab = 5;
using Probabilities = std::array<double, kVocab>;
constexpr Probabilities kModel = {0.4, 0.3, 0.15, 0.1, 0.05};

struct Case {
  const char* name;
  void (*change)(SamplingParams&);
  Probabilities expected;  // in proportion
};

Probabilities to_the_power(double exponent) {
  Probabilities result = kModel;
  for (double& p : result) p = std::pow(p, exponent);
  return result;
}

class Distribution : public testing::TestWithParam<Case> {};

TEST_P(Distribution, IsThatOfTheTransform) {
  constexpr int kDraws = 100000;
  std::vector<float> logits;
  for (const double p : kModel) logits.push_back(static_cast<float>(std::log(p)));
  SamplingParams params;
  params.seed = 20261125;
  GetParam().change(params);
  Sampler sampler(params, kVocab, {});

  std::array<int, kVocab> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const int32_t token = sampler.sample({logits, {}});
    ++counts[static_cast<size_t>(token)];
    sampler.accept(token);
  }

  double total = 0.0;
  for (const double p : GetParam().expected) total += p;
  double chi_square = 0.0;
  for (size_t id = 0; id < kVocab; ++id) {
    const double expected = GetParam().expected[id] / total * kDraws;
    if (expected == 0.0) {
      EXPECT_EQ(counts[id], 0) << id;
    } else {
      chi_square += std::pow(counts[id] - expected, 2) / expected;
    }
  }
  // At most 4 degrees of freedom, p = 0.001.
  EXPECT_LT(chi_square, 18.47);
}

// Entropy: 1.3924, 0.8651 of log 5. Surprises: 0.92, 1.20, 1.90, 2.30 and 3.00. Deviation of the
// logits: 0.7496.
INSTANTIATE_TEST_SUITE_P(
    Sampling, Distribution,
    testing::Values(
        Case{"Plain", [](SamplingParams&) {}, kModel},
        Case{"Temperature", [](SamplingParams& p) { p.temperature = 0.5f; }, to_the_power(2.0)},
        Case{
            "DynamicTemperature", [](SamplingParams& p) { p.temperature_range = 0.5f; },
            to_the_power(1.0 / (0.5 + 0.8651))
        },
        Case{"TopNSigma", [](SamplingParams& p) { p.top_n_sigma = 1.0f; }, {0.4, 0.3, 0, 0, 0}},
        Case{"TopK", [](SamplingParams& p) { p.top_k = 3; }, {0.4, 0.3, 0.15, 0, 0}},
        Case{"TypicalP", [](SamplingParams& p) { p.typical_p = 0.2f; }, {0, 0.3, 0, 0, 0}},
        Case{"TypicalPOfTwo", [](SamplingParams& p) { p.typical_p = 0.5f; }, {0.4, 0.3, 0, 0, 0}},
        Case{"TopP", [](SamplingParams& p) { p.top_p = 0.8f; }, {0.4, 0.3, 0.15, 0, 0}},
        Case{"MinP", [](SamplingParams& p) { p.min_p = 0.2f; }, {0.4, 0.3, 0.15, 0.1, 0}},
        Case{
            "Xtc",
            [](SamplingParams& p) {
              p.xtc_probability = 0.5f;
              p.xtc_threshold = 0.25f;
            },
            // Half of the time 0.4 is out, and the others have 1 / 0.6 of theirs.
            {0.2, 0.15 + 0.25, 0.075 + 0.125, 0.05 + 0.05 / 0.6, 0.025 + 0.025 / 0.6}
        },
        Case{
            "Mirostat",
            [](SamplingParams& p) {
              p.mirostat_tau = 1.5f;  // mu stays at 3 bits: 0.1 and 0.05 surprise more
              p.mirostat_eta = 0.0f;
            },
            {0.4, 0.3, 0.15, 0, 0}
        },
        Case{
            "TopPBeforeTemperature",
            [](SamplingParams& p) {
              p.temperature = 0.5f;
              p.top_p = 0.5f;
              p.sampler_order = {SamplingStep::kTopP, SamplingStep::kTemperature};
            },
            {0.16, 0.09, 0, 0, 0}
        },
        Case{
            "BanAndBias",
            [](SamplingParams& p) {
              p.banned_tokens = {0};
              p.logit_bias = {{4, std::log(2.0f)}};
            },
            {0, 0.3, 0.15, 0.1, 0.1}
        }
    ),
    [](const auto& instance) { return std::string(instance.param.name); }
);

}  // namespace
}  // namespace trellis
