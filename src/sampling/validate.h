// Checks a client's sampling parameters before they reach a sampler.
#pragma once

#include "base/result.h"
#include "trellis/sampling_params.h"

#include <optional>

namespace trellis {

/// The first parameter that is out of range, as an error that names it; nothing if all are valid.
std::optional<ApiError> validate(const SamplingParams& params, int64_t vocab_size);

}  // namespace trellis
