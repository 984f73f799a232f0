// What a quantized cache changes in what tiny-1m says: little with 8 bits, four times as much with
// every bit less, and the same on both backends.
#include "model/kl_divergence.h"
#include "model/model_harness.h"

#include <gtest/gtest.h>

namespace trellis::test {
namespace {

const std::filesystem::path kTinyModel =
    std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "models" / "tiny-1m";

/// Mean KL divergence, over the golden prompts and answers, of the second model from the first.
double mean_divergence(ModelHarness& reference, ModelHarness& model) {
  double sum = 0.0;
  size_t count = 0;
  for (const std::vector<int32_t>& text : answered_prompts(kTinyModel)) {
    const auto positions = static_cast<int>(text.size());
    const std::vector<float> expected = reference.logits(text, positions);
    const std::vector<float> actual = model.logits(text, positions);
    for (const double one : kl_divergences(expected, actual, text.size())) sum += one;
    count += text.size();
  }
  EXPECT_GE(count, 200u);
  return sum / static_cast<double>(count);
}

class QuantizedCache : public testing::TestWithParam<const char*> {};

TEST_P(QuantizedCache, LosesFourTimesAsMuchWithEveryBitLess) {
  ModelHarness exact(kTinyModel, GetParam(), same_kv_types(KvType::kFloat16));
  for (int bits = 2; bits <= 8; ++bits) {
    ModelHarness quantized(kTinyModel, GetParam(), same_kv_types(static_cast<KvType>(bits)));
    printf("bits %d kl %.6g\n", bits, mean_divergence(exact, quantized));
  }
}

TEST(QuantizedCacheLogits, AreTheSameOnBothBackends) {
  for (const char* name : {"q8", "q4", "q8,q4", "fp16,q3"}) {
    SCOPED_TRACE(name);
    ModelHarness cpu(kTinyModel, "cpu", require_kv_types(name));
    ModelHarness reference(kTinyModel, "reference", require_kv_types(name));
    printf("%s kl %.6g\n", name, mean_divergence(reference, cpu));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Backends, QuantizedCache, testing::Values("cpu", "reference"),
    [](const auto& info) { return std::string(info.param); }
);

}  // namespace
}  // namespace trellis::test
