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
#include <iterator>

namespace trellis {
namespace {

struct Transform {
  bool is_preference;  // changes which token is the most probable; the others only cut or reshape
  bool on_device;      // part of TokenChoice and TokenEdit
  bool (*enabled)(const SamplingParams&);
  void (*apply)(const SamplingParams&, const SamplingState&, Candidates&);
};

constexpr Transform kTransforms[] = {
    {true, true, [](const SamplingParams& p) { return !p.banned_tokens.empty(); },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       ban_tokens(p.banned_tokens, c);
     }},
    {true, true, [](const SamplingParams& p) { return !p.logit_bias.empty(); },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_logit_bias(p, c); }},
    {true, true, penalizes,
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_penalties(p, state.history, c);
     }},
    {true, false, [](const SamplingParams& p) { return p.dry_multiplier > 0.0f; },
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_dry(p, state.history, c);
     }},
    {true, false, [](const SamplingParams& p) { return p.no_repeat_ngram_size > 0; },
     [](const SamplingParams& p, const SamplingState& state, Candidates& c) {
       apply_no_repeat_ngram(p.no_repeat_ngram_size, state.history, c);
     }},
    {false, true,
     [](const SamplingParams& p) { return p.temperature != 1.0f && p.temperature_range == 0.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       apply_temperature(p.temperature, c);
     }},
    {false, false, [](const SamplingParams& p) { return p.temperature_range > 0.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       apply_dynamic_temperature(p.temperature, p.temperature_range, p.temperature_exponent, c);
     }},
    {false, false, [](const SamplingParams& p) { return p.top_n_sigma > 0.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       apply_top_n_sigma(p.top_n_sigma, c);
     }},
    {false, true, [](const SamplingParams& p) { return p.top_k > 0; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_top_k(p.top_k, c); }},
    {false, false, [](const SamplingParams& p) { return p.typical_p < 1.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       apply_typical_p(p.typical_p, c);
     }},
    {false, true, [](const SamplingParams& p) { return p.top_p < 1.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_top_p(p.top_p, c); }},
    {false, true, [](const SamplingParams& p) { return p.min_p > 0.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) { apply_min_p(p.min_p, c); }},
    {false, false, [](const SamplingParams& p) { return p.xtc_probability > 0.0f; },
     [](const SamplingParams& p, const SamplingState&, Candidates& c) {
       apply_xtc(p.xtc_probability, p.xtc_threshold, c);
     }},
    {false, false, [](const SamplingParams& p) { return p.mirostat_tau > 0.0f; },
     [](const SamplingParams&, const SamplingState& state, Candidates& c) {
       apply_mirostat(state.mirostat_mu, c);
     }},
};

}  // namespace

void apply_transforms(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
) {
  for (const Transform& transform : kTransforms) {
    if (transform.enabled(params)) transform.apply(params, state, candidates);
  }
}

bool device_knows_transforms(const SamplingParams& params) {
  return std::all_of(std::begin(kTransforms), std::end(kTransforms), [&](const Transform& t) {
    return t.on_device || !t.enabled(params);
  });
}

bool has_preferences(const SamplingParams& params) {
  return std::any_of(std::begin(kTransforms), std::end(kTransforms), [&](const Transform& t) {
    return t.is_preference && t.enabled(params);
  });
}

void apply_preferences(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
) {
  for (const Transform& transform : kTransforms) {
    if (transform.is_preference && transform.enabled(params)) {
      transform.apply(params, state, candidates);
    }
  }
}

}  // namespace trellis
