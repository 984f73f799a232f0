#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trellis {
namespace {

using std::numbers::pi;

std::vector<double> plain_frequencies(double theta, int64_t rotary_dim) {
  std::vector<double> result(static_cast<size_t>(rotary_dim / 2));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary_dim));
  }
  return result;
}

// Long wavelengths are divided by the factor, short ones stay, those between are interpolated.
void scale_llama3(
    const RopeConfig& rope, double original_positions, std::vector<double>& frequency
) {
  for (double& value : frequency) {
    const double turns = original_positions * value / (2.0 * pi);
    if (turns < rope.low_frequency_factor) {
      value /= rope.factor;
    } else if (turns <= rope.high_frequency_factor) {
      const double smooth = (turns - rope.low_frequency_factor) /
                            (rope.high_frequency_factor - rope.low_frequency_factor);
      value = (1.0 - smooth) * value / rope.factor + smooth * value;
    }
  }
}

// The index at which a frequency turns `rotations` times over the original context.
double correction_index(double rotations, double rotary_dim, double theta, double positions) {
  return rotary_dim * std::log(positions / (rotations * 2.0 * pi)) / (2.0 * std::log(theta));
}

void scale_yarn(
    const RopeConfig& rope, int64_t rotary_dim, double original_positions,
    std::vector<double>& frequency
) {
  const auto dim = static_cast<double>(rotary_dim);
  double low = correction_index(rope.beta_fast, dim, rope.theta, original_positions);
  double high = correction_index(rope.beta_slow, dim, rope.theta, original_positions);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequency.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequency[i] = frequency[i] / rope.factor * ramp + frequency[i] * (1.0 - ramp);
  }
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeConfig& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.mscale && rope.mscale_all_dim && *rope.mscale != 0.0 && *rope.mscale_all_dim != 0.0) {
    return yarn_mscale(rope.factor, *rope.mscale) / yarn_mscale(rope.factor, *rope.mscale_all_dim);
  }
  return yarn_mscale(rope.factor, 1.0);
}

}  // namespace

RopeFrequencies rope_frequencies(
    const RopeConfig& rope, int64_t rotary_dim, int64_t max_positions
) {
  std::vector<double> frequency = plain_frequencies(rope.theta, rotary_dim);
  const auto original = static_cast<double>(
      rope.original_max_position_embeddings > 0 ? rope.original_max_position_embeddings
                                                : max_positions
  );
  RopeFrequencies result;
  switch (rope.type) {
    case RopeConfig::Type::kDefault:
      break;
    case RopeConfig::Type::kLinear:
      for (double& value : frequency) value /= rope.factor;
      break;
    case RopeConfig::Type::kLlama3:
      scale_llama3(rope, original, frequency);
      break;
    case RopeConfig::Type::kYarn:
      scale_yarn(rope, rotary_dim, original, frequency);
      result.attention_factor = static_cast<float>(yarn_attention_factor(rope));
      break;
  }
  result.inverse_frequency.assign(frequency.begin(), frequency.end());
  return result;
}

}  // namespace trellis
