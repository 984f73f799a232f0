// The order in which the transforms of a request apply: two tables, in pipeline.cpp.
#pragma once

#include "sampling/candidates.h"
#include "sampling/sampling_state.h"
#include "trellis/sampling_params.h"

namespace trellis {

/// Applies every transform that the parameters switch on. Temperature must be above 0.
void apply_transforms(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
);

/// Whether any of these is switched on.
bool has_preferences(const SamplingParams& params);

/// Whether the device's choice (backend/token_choice.h) knows every transform that is switched on,
/// in the order in which they apply.
bool device_knows_transforms(const SamplingParams& params);

/// Those that change which token is the most probable: all that greedy choice needs.
void apply_preferences(
    const SamplingParams& params, const SamplingState& state, Candidates& candidates
);

}  // namespace trellis
