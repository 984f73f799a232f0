#include "sampling/validate.h"

#include "sampling/pipeline.h"

#include <algorithm>
#include <cmath>

namespace trellis {
namespace {

struct Range {
  const char* name;
  float SamplingParams::* field;
  float minimum;
  float maximum;
  bool above_minimum;  // the minimum itself is excluded
};

constexpr Range kRanges[] = {
    {"temperature", &SamplingParams::temperature, 0.0f, 100.0f, false},
    {"temperature_range", &SamplingParams::temperature_range, 0.0f, 100.0f, false},
    {"temperature_exponent", &SamplingParams::temperature_exponent, 0.0f, 100.0f, false},
    {"top_n_sigma", &SamplingParams::top_n_sigma, 0.0f, 1000.0f, false},
    {"top_p", &SamplingParams::top_p, 0.0f, 1.0f, true},
    {"typical_p", &SamplingParams::typical_p, 0.0f, 1.0f, true},
    {"min_p", &SamplingParams::min_p, 0.0f, 1.0f, false},
    {"xtc_probability", &SamplingParams::xtc_probability, 0.0f, 1.0f, false},
    {"xtc_threshold", &SamplingParams::xtc_threshold, 0.0f, 1.0f, true},
    {"mirostat_tau", &SamplingParams::mirostat_tau, 0.0f, 100.0f, false},
    {"mirostat_eta", &SamplingParams::mirostat_eta, 0.0f, 1.0f, false},
    {"repetition_penalty", &SamplingParams::repetition_penalty, 0.0f, 100.0f, true},
    {"presence_penalty", &SamplingParams::presence_penalty, -100.0f, 100.0f, false},
    {"frequency_penalty", &SamplingParams::frequency_penalty, -100.0f, 100.0f, false},
    {"dry_multiplier", &SamplingParams::dry_multiplier, 0.0f, 100.0f, false},
    {"dry_base", &SamplingParams::dry_base, 1.0f, 100.0f, false},
};

struct Count {
  const char* name;
  int SamplingParams::* field;
  const char* zero;  // what 0 means
};

constexpr Count kCounts[] = {
    {"top_k", &SamplingParams::top_k, "all"},
    {"penalty_range", &SamplingParams::penalty_range, "all"},
    {"penalty_decay", &SamplingParams::penalty_decay, "none"},
    {"dry_range", &SamplingParams::dry_range, "all"},
    {"no_repeat_ngram_size", &SamplingParams::no_repeat_ngram_size, "off"},
};

ApiError out_of_range(const std::string& parameter, const std::string& message) {
  return {400, "invalid_parameter", message, parameter};
}

}  // namespace

std::optional<ApiError> validate(const SamplingParams& params, int64_t vocab_size) {
  for (const Range& range : kRanges) {
    const float value = params.*range.field;
    const bool too_low = range.above_minimum ? !(value > range.minimum) : !(value >= range.minimum);
    if (too_low || !(value <= range.maximum)) {
      return out_of_range(
          range.name,
          fmt::format(
              "{} must be {} {} and at most {}, found {}", range.name,
              range.above_minimum ? "above" : "at least", range.minimum, range.maximum, value
          )
      );
    }
  }
  for (const Count& count : kCounts) {
    const int value = params.*count.field;
    if (value < 0) {
      return out_of_range(
          count.name,
          fmt::format("{} must be 0 ({}) or positive, found {}", count.name, count.zero, value)
      );
    }
  }
  if (params.dry_allowed_length < 1) {
    return out_of_range(
        "dry_allowed_length",
        fmt::format("dry_allowed_length must be at least 1, found {}", params.dry_allowed_length)
    );
  }
  if (params.penalty_decay > 0 && params.penalty_range == 0) {
    return out_of_range(
        "penalty_decay", "penalty_decay needs a penalty_range above 0, behind which it begins"
    );
  }
  const auto& order = params.sampler_order;
  for (auto step = order.begin(); step != order.end(); ++step) {
    if (std::find(order.begin(), step, *step) == step) continue;
    return out_of_range(
        "sampler_order",
        fmt::format("sampler_order names {} twice; name it once", sampling_step_name(*step))
    );
  }
  for (const int32_t id : params.banned_tokens) {
    if (id < 0 || id >= vocab_size) {
      return out_of_range(
          "banned_tokens",
          fmt::format("banned_tokens needs ids from 0 to {}, found {}", vocab_size - 1, id)
      );
    }
  }
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0 || id >= vocab_size || !std::isfinite(bias)) {
      return out_of_range(
          "logit_bias",
          fmt::format(
              "logit_bias needs finite numbers for ids below {}, found {}: {}", vocab_size, id, bias
          )
      );
    }
  }
  return std::nullopt;
}

}  // namespace trellis
