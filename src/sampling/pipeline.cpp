#include "sampling/pipeline.h"

#include "sampling/transforms/ban_tokens.h"
#include "sampling/transforms/dry.h"
#include "sampling/transforms/dynamic_temperature.h"
#include "sampling/transforms/logit_bias.h"
#include "sampling/transforms/min_p.h"
#include "sampling/transforms/mirostat.h"
#include "sampling/transforms/no_repeat_ngram.h"
#include "sampling/transforms/penalties.h"
#include "sampling/transforms/temperature.h"
#include "sampling/transforms/top_k.h"
#include "sampling/transforms/top_n_sigma.h"
#include "sampling/transforms/top_p.h"
#include "sampling/transforms/typical_p.h"
#include "sampling/transforms/xtc.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace trellis {
namespace {

struct Transform {
  bool on_device;  // part of TokenChoice and TokenEdit
  bool (*enabled)(const SamplingParams&);
  void (*apply)(const SamplingParams&, const SamplingState&, Candidates&);
};

/// What changes which token is the most probable. These come first, in this order, while the
/// candidates are in order of their ids.
constexpr Transform kPreferences[] = {
    {true, [](const SamplingParams& p) { return !p.banned_tokens.empty(); },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       ban_tokens(p.banned_tokens, c);
     }},
    {true, [](const SamplingParams& p) { return !p.logit_bias.empty(); },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_logit_bias(p, c); }},
    {true, penalizes,
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_penalties(p, state.history, c);
     }},
    {false, [](const SamplingParams& p) { return p.dry_multiplier > 0.0f; },
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_dry(p, state.history, c);
     }},
    {false, [](const SamplingParams& p) { return p.no_repeat_ngram_size > 0; },
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_no_repeat_ngram(p.no_repeat_ngram_size, state.history, c);
     }},
};

struct Shape {
  SamplingStep step;
  Transform transform;
};

/// What cuts or reshapes, in the default order.
constexpr Shape kShapes[] = {
    {SamplingStep::kTemperature,
     {true,
      [](const SamplingParams& p) { return p.temperature != 1.0f && p.temperature_range == 0.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) {
        apply_temperature(p.temperature, c);
      }}},
    {SamplingStep::kTemperature,
     {false, [](const SamplingParams& p) { return p.temperature_range > 0.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) {
        apply_dynamic_temperature(p.temperature, p.temperature_range, p.temperature_exponent, c);
      }}},
    {SamplingStep::kTopNSigma,
     {false, [](const SamplingParams& p) { return p.top_n_sigma > 0.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) {
        apply_top_n_sigma(p.top_n_sigma, c);
      }}},
    {SamplingStep::kTopK,
     {true, [](const SamplingParams& p) { return p.top_k > 0; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_top_k(p.top_k, c); }}
    },
    {SamplingStep::kTypicalP,
     {false, [](const SamplingParams& p) { return p.typical_p < 1.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) {
        apply_typical_p(p.typical_p, c);
      }}},
    {SamplingStep::kTopP,
     {true, [](const SamplingParams& p) { return p.top_p < 1.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_top_p(p.top_p, c); }}
    },
    {SamplingStep::kMinP,
     {true, [](const SamplingParams& p) { return p.min_p > 0.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_min_p(p.min_p, c); }}
    },
    {SamplingStep::kXtc,
     {false, [](const SamplingParams& p) { return p.xtc_probability > 0.0f; },
      [](const SamplingParams& p, const SamplingState&, Candidates& c) {
        apply_xtc(p.xtc_probability, p.xtc_threshold, c);
      }}},
    {SamplingStep::kMirostat,
     {false, [](const SamplingParams& p) { return p.mirostat_tau > 0.0f; },
      [](const SamplingParams&, const SamplingState& state, Candidates& c) {
        apply_mirostat(state.mirostat_mu, c);
      }}},
};

/// By SamplingStep.
constexpr std::array<std::string_view, 8> kStepNames = {
    "temperature", "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc", "mirostat"
};

/// Calls visit(shape) for every shape that is switched on: those of the request's order, then the
/// others in the default order.
template <typename Visit>
void for_each_shape(const SamplingParams& params, const Visit& visit) {
  const auto& order = params.sampler_order;
  for (const SamplingStep step : order) {
    for (const Shape& shape : kShapes) {
      if (shape.step == step && shape.transform.enabled(params)) visit(shape);
    }
  }
  for (const Shape& shape : kShapes) {
    const bool is_named = std::find(order.begin(), order.end(), shape.step) != order.end();
    if (!is_named && shape.transform.enabled(params)) visit(shape);
  }
}

}  // namespace

std::string_view sampling_step_name(SamplingStep step) {
  return kStepNames[static_cast<size_t>(step)];
}

std::optional<SamplingStep> parse_sampling_step(std::string_view name) {
  const auto* const it = std::find(kStepNames.begin(), kStepNames.end(), name);
  if (it == kStepNames.end()) return std::nullopt;
  return static_cast<SamplingStep>(it - kStepNames.begin());
}

void apply_transforms(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
) {
  apply_preferences(params, state, candidates);
  for_each_shape(params, [&](const Shape& shape) {
    shape.transform.apply(params, state, candidates);
  });
}

bool device_knows_transforms(const SamplingParams& params) {
  bool knows = std::all_of(
      std::begin(kPreferences), std::end(kPreferences),
      [&](const Transform& transform) { return transform.on_device || !transform.enabled(params); }
  );
  const Shape* last = nullptr;
  for_each_shape(params, [&](const Shape& shape) {
    const bool in_default_order = last == nullptr || last < &shape;
    knows = knows && shape.transform.on_device && in_default_order;
    last = &shape;
  });
  return knows;
}

bool has_preferences(const SamplingParams& params) {
  return std::any_of(
      std::begin(kPreferences), std::end(kPreferences),
      [&](const Transform& transform) { return transform.enabled(params); }
  );
}

void apply_preferences(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
) {
  for (const Transform& transform : kPreferences) {
    if (transform.enabled(params)) transform.apply(params, state, candidates);
  }
}

}  // namespace trellis
