#include "sampling/validate.h"

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
    {"top_p", &SamplingParams::top_p, 0.0f, 1.0f, true},
    {"min_p", &SamplingParams::min_p, 0.0f, 1.0f, false},
    {"repetition_penalty", &SamplingParams::repetition_penalty, 0.0f, 100.0f, true},
    {"presence_penalty", &SamplingParams::presence_penalty, -100.0f, 100.0f, false},
    {"frequency_penalty", &SamplingParams::frequency_penalty, -100.0f, 100.0f, false},
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
  if (params.top_k < 0) {
    return out_of_range(
        "top_k", fmt::format("top_k must be 0 (all) or positive, found {}", params.top_k)
    );
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
