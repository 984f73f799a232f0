// How a token is chosen from a row of logits: the parameters of a row as a device reads them, and
// the arithmetic in which the host (sampling/) and a device come to the same choice, bit for bit.
// Sums are of integers, so their order is free.
#pragma once

#include "base/host_device.h"
#include "base/portable_math.h"

#include <cmath>
#include <cstdint>

namespace trellis {

/// Parameters of one row; what they mean stands in docs/sampling.md. Plain numbers.
struct TokenChoice {
  int32_t vocab = 0;         // ids from here on never come; 0: nothing is chosen from this row
  float temperature = 0.0f;  // 0: the most probable token, the lower id on ties
  int32_t top_k = 0;         // 0: all
  float top_p = 1.0f;        // 1: all
  float log_min_p = -INFINITY;
  uint32_t seed_low = 0;
  uint32_t seed_high = 0;
  uint32_t position = 0;  // in the answer

  TRELLIS_HD constexpr bool draws() const { return temperature != 0.0f; }
  /// Whether which tokens may come depends on sums or ranks over the row.
  TRELLIS_HD constexpr bool cuts() const { return draws() && (top_k > 0 || top_p < 1.0f); }
};

/// What bias and penalties do to one logit: logit + bias, then divided by `repetition` where
/// positive, else multiplied, then less `penalty`. A row has at most one for an id.
struct TokenEdit {
  int32_t row = 0;
  int32_t id = 0;
  float bias = 0.0f;  // -infinity: banned
  float repetition = 1.0f;
  float penalty = 0.0f;
};

TRELLIS_HD constexpr float edited_logit(float logit, const TokenEdit& edit) {
  logit += edit.bias;
  logit = logit > 0.0f ? logit / edit.repetition : rounded_product(logit, edit.repetition);
  return logit - edit.penalty;
}

/// How far a logit lies behind the best one. Infinite ones are the best.
TRELLIS_HD constexpr float distance_behind(float best, float logit) {
  const float distance = best - logit;
  return distance > 0.0f ? distance : 0.0f;  // not NaN
}

/// Weights are probabilities in units of 2^-40 of the best token's.
inline constexpr float kWeightOne = 1099511627776.0f;

/// The weight of a token so far behind the best one, before it is cut to an integer.
TRELLIS_HD constexpr float scaled_weight(float distance) {
  return rounded_product(exp_not_positive(-distance), kWeightOne);
}
/// The weight: 0 from about 28 on.
TRELLIS_HD constexpr int64_t token_weight(float distance) {
  return static_cast<int64_t>(scaled_weight(distance));
}

/// The weight that the most probable tokens must reach together. 0 < p < 1.
TRELLIS_HD inline int64_t nucleus_weight(float p, int64_t total) {
  return static_cast<int64_t>(ceil(static_cast<double>(p) * static_cast<double>(total)));
}

/// Noise of Gumbel's distribution from 32 random bits: -log(-log(u)) for u = (bits + 1/2) / 2^32,
/// which is never 0 or 1.
TRELLIS_HD constexpr float gumbel_noise(uint32_t bits) {
  constexpr float kUnit = 1.0f / 4294967296.0f;
  // Near 1 the number is known by what is missing of it.
  const float missing = rounded_product(static_cast<float>(~bits) + 0.5f, kUnit);
  const float u = rounded_product(static_cast<float>(bits) + 0.5f, kUnit);
  const float log_u = missing < 0.25f ? log1p_near_zero(-missing) : log_positive(u);
  return -log_positive(-log_u);
}

}  // namespace trellis
