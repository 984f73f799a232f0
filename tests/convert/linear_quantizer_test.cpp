#include "convert/linear_quantizer.h"

#include "base/error.h"
#include "base/half.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace trellis {
namespace {

using exl3::Codebook;

constexpr uint32_t kSeed = 99;

/// weight[out, in]: normal numbers of deviation 0.02, as in a trained model.
std::vector<float> gaussian_weight(int64_t out, int64_t in, uint32_t seed = kSeed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> weight(static_cast<size_t>(out * in));
  for (float& value : weight) value = normal(random);
  return weight;
}

ConstTensor view(const std::vector<float>& weight, int64_t out, int64_t in) {
  return {weight.data(), DType::kFloat32, {out, in}};
}

QuantizedLinear quantize(
    const ConstTensor& weight, const LinearQuantizerOptions& options = {}, int threads = 2
) {
  ThreadPool pool(threads);
  return quantize_linear(weight, options, pool).value();
}

/// ||W - W'||^2 / ||W||^2 by the reference decoder.
double relative_error(
    const QuantizedLinear& linear, const std::vector<float>& weight, int64_t out, int64_t in
) {
  const std::vector<float> decoded = exl3::reconstruct(linear.view());
  double error = 0.0;
  double power = 0.0;
  for (int64_t n = 0; n < out; ++n) {
    for (int64_t k = 0; k < in; ++k) {
      const double original = weight[static_cast<size_t>(n * in + k)];
      const double difference = decoded[static_cast<size_t>(k * linear.padded_out + n)] - original;
      error += difference * difference;
      power += original * original;
    }
  }
  return error / power;
}

class GaussianError : public ::testing::TestWithParam<std::tuple<Codebook, int>> {};

TEST_P(GaussianError, IsThatOfTheReferenceQuantizer) {
  // The mean squared error of normal numbers per unit of variance with the best gain, as measured
  // for mul1 by another program; 7 bits from its errors of single tiles.
  constexpr std::array<double, 8> kExpected = {0.270,   0.0680,   0.01754, 0.00441,
                                               0.00114, 0.000293, 8.1e-5,  2.0e-5};
  const auto [codebook, bits] = GetParam();
  const std::vector<float> weight = gaussian_weight(128, 128);

  const QuantizedLinear linear = quantize(view(weight, 128, 128), {bits, codebook, 1});

  const double expected = kExpected[static_cast<size_t>(bits - 1)];
  const double tolerance = codebook == Codebook::kMul1 ? 0.10 : 0.15;
  const double error = relative_error(linear, weight, 128, 128);
  EXPECT_NEAR(error, expected, tolerance * expected) << "seed " << kSeed;
  EXPECT_NEAR(linear.relative_error, error, 1e-3 * error);
}

INSTANTIATE_TEST_SUITE_P(
    All, GaussianError,
    ::testing::Combine(
        ::testing::Values(Codebook::k3inst, Codebook::kMcg, Codebook::kMul1), ::testing::Range(1, 9)
    ),
    [](const auto& info) {
      return "codebook_" + std::string(exl3::codebook_name(std::get<0>(info.param))) + "_bits_" +
             std::to_string(std::get<1>(info.param));
    }
);

TEST(LinearQuantizer, OutputsWithMuchInCommonAreCodedAsWellAsNormalNumbers) {
  // Every output channel holds the same part, with a fifth of the power, as embeddings do. Random
  // signs would leave values far beyond the codebook's range and half as much error again.
  constexpr int64_t kOut = 512;
  std::vector<float> weight = gaussian_weight(kOut, 128);
  const std::vector<float> shared = gaussian_weight(1, 128, kSeed + 1);
  for (size_t index = 0; index < weight.size(); ++index)
    weight[index] += 0.5f * shared[index % 128];

  const QuantizedLinear linear = quantize(view(weight, kOut, 128), {6, Codebook::kMul1, 1});

  EXPECT_LT(relative_error(linear, weight, kOut, 128), 1.05 * 0.000293) << "seed " << kSeed;
}

TEST(LinearQuantizer, PadsBothSidesTo128) {
  const std::vector<float> weight = gaussian_weight(40, 200);

  const QuantizedLinear linear = quantize(view(weight, 40, 200));

  EXPECT_EQ(linear.padded_in, 256);
  EXPECT_EQ(linear.padded_out, 128);
  EXPECT_EQ(linear.suh.size(), 256u);
  EXPECT_EQ(linear.svh.size(), 128u);
  EXPECT_EQ(linear.trellis.size(), 256u * 128u * 4u / 16u);
  const double error = relative_error(linear, weight, 40, 200);
  EXPECT_LT(error, 0.006);
  EXPECT_NEAR(linear.relative_error, error, 1e-3 * error);
  for (size_t n = 40; n < 128; ++n) EXPECT_EQ(linear.svh[n], 0) << "padded output " << n;
}

TEST(LinearQuantizer, ThreadsDoNotChangeTheBytes) {
  const std::vector<float> weight = gaussian_weight(128, 256);

  const QuantizedLinear one = quantize(view(weight, 128, 256), {}, 1);
  const QuantizedLinear three = quantize(view(weight, 128, 256), {}, 3);

  EXPECT_EQ(one.trellis, three.trellis);
  EXPECT_EQ(one.suh, three.suh);
  EXPECT_EQ(one.svh, three.svh);
  EXPECT_EQ(one.relative_error, three.relative_error);
}

TEST(LinearQuantizer, TheSeedChoosesTheSigns) {
  const std::vector<float> weight = gaussian_weight(128, 128);

  const QuantizedLinear first = quantize(view(weight, 128, 128), {4, Codebook::kMul1, 1});
  const QuantizedLinear again = quantize(view(weight, 128, 128), {4, Codebook::kMul1, 1});
  const QuantizedLinear other = quantize(view(weight, 128, 128), {4, Codebook::kMul1, 2});

  EXPECT_EQ(first.trellis, again.trellis);
  EXPECT_EQ(first.suh, again.suh);
  EXPECT_NE(first.suh, other.suh);
  EXPECT_NE(first.trellis, other.trellis);
}

TEST(LinearQuantizer, ReadsHalvesAndBrainFloatsAtAnyAlignment) {
  std::vector<float> weight = gaussian_weight(128, 128);
  std::vector<uint8_t> half_bytes(1 + weight.size() * 2);
  std::vector<uint8_t> brain_bytes(1 + weight.size() * 2);
  std::vector<float> from_half(weight.size());
  std::vector<float> from_brain(weight.size());
  for (size_t index = 0; index < weight.size(); ++index) {
    const uint16_t half = float_to_half(weight[index]);
    const uint16_t brain = float_to_bfloat16(weight[index]);
    std::memcpy(half_bytes.data() + 1 + 2 * index, &half, 2);
    std::memcpy(brain_bytes.data() + 1 + 2 * index, &brain, 2);
    from_half[index] = half_to_float(half);
    from_brain[index] = bfloat16_to_float(brain);
  }

  const ConstTensor halves(half_bytes.data() + 1, DType::kFloat16, {128, 128});
  const ConstTensor brains(brain_bytes.data() + 1, DType::kBFloat16, {128, 128});

  EXPECT_EQ(quantize(halves).trellis, quantize(view(from_half, 128, 128)).trellis);
  EXPECT_EQ(quantize(brains).trellis, quantize(view(from_brain, 128, 128)).trellis);
}

TEST(LinearQuantizer, AZeroOutputChannelComesBackAsExactZeros) {
  std::vector<float> weight = gaussian_weight(128, 128);
  for (size_t k = 0; k < 128; ++k) weight[5 * 128 + k] = 0.0f;

  const QuantizedLinear linear = quantize(view(weight, 128, 128));

  const std::vector<float> decoded = exl3::reconstruct(linear.view());
  for (size_t k = 0; k < 128; ++k) EXPECT_EQ(decoded[k * 128 + 5], 0.0f);
  EXPECT_LT(relative_error(linear, weight, 128, 128), 0.006);
}

TEST(LinearQuantizer, AZeroMatrixComesBackAsExactZeros) {
  const std::vector<float> weight(128 * 128, 0.0f);

  const QuantizedLinear linear = quantize(view(weight, 128, 128));

  EXPECT_EQ(exl3::reconstruct(linear.view()), std::vector<float>(128 * 128, 0.0f));
  EXPECT_EQ(linear.relative_error, 0.0);
}

TEST(LinearQuantizer, ChannelsOfVeryDifferentSizeKeepTheirRelativeError) {
  std::vector<float> weight = gaussian_weight(128, 128);
  for (size_t k = 0; k < 128; ++k) weight[7 * 128 + k] *= 1000.0f;

  const QuantizedLinear linear = quantize(view(weight, 128, 128));

  // Without channel 7 the small ones must still be coded well: look at them alone.
  const std::vector<float> decoded = exl3::reconstruct(linear.view());
  double error = 0.0;
  double power = 0.0;
  for (size_t n = 0; n < 128; ++n) {
    for (size_t k = 0; k < 128 && n != 7; ++k) {
      const double original = weight[n * 128 + k];
      error += (decoded[k * 128 + n] - original) * (decoded[k * 128 + n] - original);
      power += original * original;
    }
  }
  EXPECT_LT(error / power, 0.01) << "seed " << kSeed;
}

TEST(LinearQuantizer, RefusesWeightsBeyondTheScales) {
  std::vector<float> weight = gaussian_weight(128, 128);
  for (float& value : weight) value *= 1e8f;
  ThreadPool pool(1);

  EXPECT_THROW(quantize_linear(view(weight, 128, 128), {}, pool), UserError);
}

TEST(LinearQuantizer, StopsWhenProgressSaysSo) {
  const std::vector<float> weight = gaussian_weight(128, 256);
  ThreadPool pool(1);
  int calls = 0;

  const auto stopped =
      quantize_linear(view(weight, 128, 256), {}, pool, [&](double) { return ++calls < 2; });

  EXPECT_FALSE(stopped.has_value());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace trellis
