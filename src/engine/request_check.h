// Checks a request before it is queued. Any thread.
#pragma once

#include "base/result.h"
#include "trellis/engine.h"

#include <optional>

namespace trellis {

/// Each character of the answer is compared with all of them.
inline constexpr size_t kMostBannedStrings = 512;
inline constexpr size_t kMostBannedBytes = 512;  // of one

/// What is wrong with a request for the model that info describes, as an error that names the
/// field and the remedy. Grammars are not looked at: compiling them is their check.
std::optional<ApiError> check_request(const Request& request, const ModelInfo& info);

}  // namespace trellis
