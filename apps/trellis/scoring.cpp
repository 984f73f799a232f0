#include "apps/trellis/scoring.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>

namespace trellis {
namespace {

int64_t argmax(std::span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

/// log(sum(exp(logits)))
double log_partition(std::span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

double at(std::span<const float> values, int64_t index) {
  return static_cast<double>(values[static_cast<size_t>(index)]);
}

}  // namespace

ScoreSum& ScoreSum::operator+=(const ScoreSum& other) {
  positions += other.positions;
  nll += other.nll;
  reference_nll += other.reference_nll;
  kl_divergence += other.kl_divergence;
  agreements += other.agreements;
  return *this;
}

ScoreSum score(std::span<const float> logits, int32_t target) {
  ScoreSum sum;
  sum.positions = 1;
  sum.nll = log_partition(logits, at(logits, argmax(logits))) - at(logits, target);
  return sum;
}

ScoreSum score(std::span<const float> logits, std::span<const float> reference, int32_t target) {
  TRELLIS_CHECK_EQ(logits.size(), reference.size(), "one vocabulary");
  const int64_t best = argmax(logits);
  const int64_t reference_best = argmax(reference);
  const double log_z = log_partition(logits, at(logits, best));

  // KL = sum p (log p - log q) = sum p (reference - logits) - log_z_reference + log_z, with p of
  // the reference. Its partition function and the weighted sum come from one pass.
  const double largest = at(reference, reference_best);
  double partition = 0;
  double weighted = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const auto value = static_cast<double>(reference[i]);
    const double weight = std::exp(value - largest);
    partition += weight;
    weighted += weight * (value - static_cast<double>(logits[i]));
  }
  const double reference_log_z = largest + std::log(partition);

  ScoreSum sum;
  sum.positions = 1;
  sum.nll = log_z - at(logits, target);
  sum.reference_nll = reference_log_z - at(reference, target);
  sum.kl_divergence = weighted / partition - reference_log_z + log_z;
  sum.agreements = best == reference_best ? 1 : 0;
  return sum;
}

}  // namespace trellis
