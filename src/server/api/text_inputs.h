// Texts that a client may send as tokens, too: one, or several.
#pragma once

#include "server/api/value.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace trellis::server {

/// A text, or the ids of its tokens.
using TextOrIds = std::variant<std::string, std::vector<int32_t>>;

/// Reads a text, the ids of one, or an array of 1 to `most` of either. what: what one is called.
Result<std::vector<TextOrIds>> read_text_inputs(
    const Json& value, const std::string& path, size_t most, const char* what
);
/// The JSON schema of what it takes.
Json text_inputs_schema(size_t most);

}  // namespace trellis::server
