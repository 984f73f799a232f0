// How far two models' logits are apart, and the texts to ask them about.
#pragma once

#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace trellis::test {

/// The prompts of a model's golden_fp32.json with its answers: text that it finds natural.
inline std::vector<std::vector<int32_t>> answered_prompts(const std::filesystem::path& model) {
  std::vector<std::vector<int32_t>> texts;
  for (const Json& golden : read_json_file(model / "golden_fp32.json")) {
    auto text = golden.at("prompt_ids").get<std::vector<int32_t>>();
    const auto answer = golden.at("greedy_ids").get<std::vector<int32_t>>();
    text.insert(text.end(), answer.begin(), answer.end());
    texts.push_back(text);
  }
  return texts;
}

/// log(sum(exp(logits))).
inline double log_of_sum(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

/// KL(reference || model) in nats, from the logits of one position.
inline double kl_divergence(std::span<const float> reference, std::span<const float> model) {
  const double reference_norm = log_of_sum(reference);
  const double model_norm = log_of_sum(model);
  double sum = 0.0;
  for (size_t id = 0; id < reference.size(); ++id) {
    const double log_p = reference[id] - reference_norm;
    sum += std::exp(log_p) * (log_p - (model[id] - model_norm));
  }
  return sum;
}

/// The same of each of `positions` rows of logits.
inline std::vector<double> kl_divergences(
    std::span<const float> reference, std::span<const float> model, size_t positions
) {
  const size_t vocabulary = reference.size() / positions;
  std::vector<double> divergences;
  for (size_t row = 0; row < positions; ++row) {
    divergences.push_back(kl_divergence(
        reference.subspan(row * vocabulary, vocabulary), model.subspan(row * vocabulary, vocabulary)
    ));
  }
  return divergences;
}

}  // namespace trellis::test
