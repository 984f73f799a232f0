// A temperature that follows the model's uncertainty: low where it is sure, high where it is not.
// Source: Mohamed (kalomaze) 2023, in the form of llama.cpp's temp-ext.
#pragma once

#include "sampling/candidates.h"
#include "sampling/entropy.h"
#include "sampling/transforms/temperature.h"

#include <algorithm>
#include <cmath>

namespace trellis {

/// The temperature goes from temperature - range (at least 0) to temperature + range with the
/// entropy, as a part of the largest that as many possible tokens can have, to the power of
/// exponent. At 0 only the most probable token stays.
inline void apply_dynamic_temperature(
    float temperature, float range, float exponent, Candidates& candidates
) {
  const auto& items = candidates.items();
  const auto num_possible = std::count_if(items.begin(), items.end(), [](const Candidate& item) {
    return item.logit > -INFINITY;
  });
  if (num_possible < 2) return;
  const double part = entropy(candidates) / std::log(static_cast<double>(num_possible));
  const double low = std::fmax(0.0, static_cast<double>(temperature) - static_cast<double>(range));
  const double high = static_cast<double>(temperature) + static_cast<double>(range);
  const double power = std::pow(std::clamp(part, 0.0, 1.0), static_cast<double>(exponent));
  const auto dynamic = static_cast<float>(low + (high - low) * power);
  if (dynamic > 0.0f) {
    apply_temperature(dynamic, candidates);
  } else {
    candidates.sort_front(1);
    candidates.keep_front(1);
  }
}

}  // namespace trellis
