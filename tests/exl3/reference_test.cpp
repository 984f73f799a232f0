#include "exl3/reference.h"

#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace trellis::exl3 {
namespace {

constexpr int64_t kIn = 128;
constexpr int64_t kOut = 256;
constexpr int kBits = 5;
constexpr uint32_t kSeed = 77;

struct RandomLayer {
  std::vector<uint16_t> trellis = std::vector<uint16_t>(kIn * kOut * kBits / 16);
  std::vector<uint16_t> suh = std::vector<uint16_t>(kIn);
  std::vector<uint16_t> svh = std::vector<uint16_t>(kOut);

  RandomLayer() {
    std::mt19937 random(kSeed);
    std::normal_distribution<float> normal;
    for (uint16_t& word : trellis) word = static_cast<uint16_t>(random());
    for (uint16_t& scale : suh) scale = float_to_half(0.05f * normal(random));
    for (uint16_t& scale : svh) scale = float_to_half(normal(random));
  }

  LinearView view() const {
    return {kIn, kOut, kBits, Codebook::kMcg, trellis.data(), suh.data(), svh.data()};
  }
};

TEST(Exl3Reference, ReconstructedMatrixEqualsTheDefinitionElementByElement) {
  const RandomLayer layer;
  const std::vector<uint16_t> inner = decode_inner(layer.view());
  const std::vector<float> weights = reconstruct(layer.view());
  const auto sign = [](int64_t a, int64_t b) {
    return std::popcount(static_cast<uint64_t>(a & b)) % 2 == 0 ? 1.0 : -1.0;
  };

  // W[k, n] = suh[k] * sum_{a, b} H[k, a] Wt[a, b] H[b, n] * svh[n] for a few elements.
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{0, 0}, {127, 255}, {17, 130}, {90, 3}}) {
    double sum = 0.0;
    const int64_t block = n / 128 * 128;
    for (int64_t a = 0; a < 128; ++a) {
      for (int64_t b = 0; b < 128; ++b) {
        const auto index = static_cast<size_t>(a * kOut + block + b);
        sum += sign(k, a) * half_to_float(inner[index]) * sign(b, n % 128);
      }
    }
    const auto row = static_cast<size_t>(k);
    const auto column = static_cast<size_t>(n);
    const double expected =
        half_to_float(layer.suh[row]) * (sum / 128) * half_to_float(layer.svh[column]);
    EXPECT_NEAR(weights[row * kOut + column], expected, 1e-6 * std::fabs(expected) + 1e-9);
  }
}

TEST(Exl3Reference, ApplyEqualsAProductWithTheReconstructedMatrix) {
  const RandomLayer layer;
  const std::vector<float> weights = reconstruct(layer.view());
  std::mt19937 random(kSeed + 1);
  std::normal_distribution<double> normal;
  std::vector<double> x(2 * kIn);
  for (double& value : x) value = normal(random);
  std::vector<double> bias(kOut);
  for (double& value : bias) value = normal(random);

  std::vector<double> y(2 * kOut);
  apply(layer.view(), x.data(), 2, bias.data(), y.data());

  for (size_t row = 0; row < 2; ++row) {
    for (size_t n = 0; n < kOut; ++n) {
      double expected = bias[n];
      for (size_t k = 0; k < kIn; ++k) expected += x[row * kIn + k] * weights[k * kOut + n];
      ASSERT_NEAR(y[row * kOut + n], expected, 1e-5) << "seed " << kSeed;
    }
  }
}

}  // namespace
}  // namespace trellis::exl3
