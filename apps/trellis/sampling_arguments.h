// Options that say how tokens are chosen. What is not given stays as the model's
// generation_config.json has it.
#pragma once

#include "trellis/sampling_params.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct SamplingArguments {
  std::optional<float> temperature;
  std::optional<float> temperature_range;
  std::optional<float> temperature_exponent;
  std::optional<float> top_n_sigma;
  std::optional<int> top_k;
  std::optional<float> typical_p;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> xtc_probability;
  std::optional<float> xtc_threshold;
  std::optional<float> mirostat_tau;
  std::optional<float> mirostat_eta;
  std::optional<std::string> sampler_order;  // "top_k,temperature"
  std::optional<float> repetition_penalty;
  std::optional<float> presence_penalty;
  std::optional<float> frequency_penalty;
  std::optional<int> penalty_range;
  std::optional<int> penalty_decay;
  std::optional<float> dry_multiplier;
  std::optional<float> dry_base;
  std::optional<int> dry_allowed_length;
  std::optional<int> dry_range;
  std::vector<std::string> dry_breakers;
  std::optional<int> no_repeat_ngram_size;
  std::vector<int32_t> banned_tokens;
  std::vector<std::string> logit_bias;  // "ID=BIAS"
  std::optional<uint64_t> seed;
};

void add_sampling_options(CLI::App& command, SamplingArguments& arguments);

/// defaults with what the options say in their place. Throws UsageError for a malformed
/// --logit-bias or --sampler-order. Ranges are checked where the request is submitted.
SamplingParams apply(const SamplingArguments& arguments, SamplingParams defaults);

/// What can be checked before a model is loaded. Throws UsageError for a malformed --logit-bias
/// or --sampler-order, UserError for a value out of range.
void require_valid(const SamplingArguments& arguments);

}  // namespace trellis
