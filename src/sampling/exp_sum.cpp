#include "sampling/exp_sum.h"

#include <array>
#include <bit>

namespace trellis {
namespace {

/// Numbers computed side by side; what a compiler turns into vectors.
constexpr size_t kBlock = 16;

/// x <= 0; below 2^-126 it stays there. As 2^(n + f) with |f| <= 1/2: n goes into the exponent, 2^f
/// is its Taylor polynomial, whose first term left out is 1.3e-7.
inline float exp_not_positive(float x) {
  constexpr float kLog2E = 1.442695041f;
  constexpr float kRounds = 12582912.0f;  // 1.5 * 2^23: no fraction is left beside it
  const float t = std::max(x * kLog2E, -126.0f);
  const float n = (t + kRounds) - kRounds;
  const float f = t - n;
  float power = 1.540353e-4f;
  power = power * f + 1.3333558e-3f;
  power = power * f + 9.6181291e-3f;
  power = power * f + 5.5504109e-2f;
  power = power * f + 0.24022651f;
  power = power * f + 0.69314718f;
  power = power * f + 1.0f;
  return power * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

}  // namespace

double exp_sum(const Candidates& candidates, float best) {
  const std::vector<Candidate>& items = candidates.items();
  double total = 0.0;
  size_t i = 0;
  for (; i + kBlock <= items.size(); i += kBlock) {
    std::array<float, kBlock> power{};
    for (size_t j = 0; j < kBlock; ++j) power[j] = items[i + j].logit - best;
    for (size_t j = 0; j < kBlock; ++j) power[j] = exp_not_positive(power[j]);
    for (size_t stride = kBlock / 2; stride > 0; stride /= 2) {
      for (size_t j = 0; j < stride; ++j) power[j] += power[j + stride];
    }
    total += power[0];
  }
  for (; i < items.size(); ++i) total += exp_not_positive(items[i].logit - best);
  return total;
}

}  // namespace trellis
