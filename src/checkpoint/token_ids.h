// Token ids as the configuration files write them: one number or a list.
#pragma once

#include "base/json.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace trellis {

/// A member that is one id or a list of ids, e.g. eos_token_id; empty when absent. Throws UserError
/// with the key path.
std::vector<int32_t> read_token_ids(const JsonObject& object, const char* key);

/// A member that is one id; of a list the first. None when absent. Throws UserError with the key
/// path.
std::optional<int32_t> read_token_id(const JsonObject& object, const char* key);

}  // namespace trellis
