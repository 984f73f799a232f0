// What a quantized cache changes in what tiny-1m says: little with 8 bits, four times as much with
// every bit less, and the same on both backends.
#include "model/kl_divergence.h"
#include "model/model_harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace trellis::test {
namespace {

const std::filesystem::path kTinyModel =
    std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "models" / "tiny-1m";

/// KL divergence of the second model from the first at every position of the golden prompts and
/// answers.
std::vector<double> divergences(ModelHarness& reference, ModelHarness& model) {
  std::vector<double> all;
  for (const std::vector<int32_t>& text : answered_prompts(kTinyModel)) {
    const auto positions = static_cast<int>(text.size());
    const std::vector<float> expected = reference.logits(text, positions);
    const std::vector<float> actual = model.logits(text, positions);
    for (const double one : kl_divergences(expected, actual, text.size())) all.push_back(one);
  }
  EXPECT_GE(all.size(), 200u);
  return all;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class QuantizedCache : public testing::TestWithParam<const char*> {};

/// The error of a number halves with every bit, and the divergence goes with its square. A wrong
/// scale, bit plane or rotation loses more than a nat whatever the width.
TEST_P(QuantizedCache, LosesFourTimesAsMuchWithEveryBitLess) {
  // Measured with 2 to 8 bits. A rounding that falls the other way changes those behind it, hence
  // the half more or less.
  constexpr std::array<double, 7> kMeasured = {0.570,   0.1125,   0.0231, 0.00673,
                                               0.00166, 0.000347, 9.2e-5};
  ModelHarness exact(kTinyModel, GetParam(), same_kv_types(KvType::kFloat16));
  for (size_t i = 0; i < kMeasured.size(); ++i) {
    const auto type = static_cast<KvType>(i + 2);
    SCOPED_TRACE(kv_type_name(type));
    ModelHarness quantized(kTinyModel, GetParam(), same_kv_types(type));
    const double loss = mean(divergences(exact, quantized));

    EXPECT_LT(loss, 1.5 * kMeasured[i]);
    EXPECT_GT(loss, kMeasured[i] / 1.5);
  }
}

TEST_P(QuantizedCache, GivesTheSameBitsWhereverThePromptIsCut) {
  ModelHarness model(kTinyModel, GetParam(), {KvType::kQ8, KvType::kQ4});
  const std::vector<int32_t> text = answered_prompts(kTinyModel).front();
  const auto positions = static_cast<int>(text.size());

  const std::vector<float> whole = model.logits(text, positions);

  EXPECT_EQ(model.logits(text, positions, 1), whole);
  EXPECT_EQ(model.logits(text, positions, 7), whole);
}

/// A number on a border between two codes may fall to either side, since the keys of two backends
/// differ by an ulp, and then the rest of that text is rounded differently: so the median counts.
TEST(QuantizedCacheLogits, AreTheSameOnBothBackends) {
  for (const char* name : {"q4", "q3,q5", "fp16,q4", "q2,fp32"}) {
    SCOPED_TRACE(name);
    ModelHarness cpu(kTinyModel, "cpu", require_kv_types(name));
    ModelHarness reference(kTinyModel, "reference", require_kv_types(name));
    EXPECT_LT(median(divergences(reference, cpu)), 1e-7);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, QuantizedCache, testing::Values("cpu", "reference"),
    [](const auto& info) { return std::string(info.param); }
);

}  // namespace
}  // namespace trellis::test
