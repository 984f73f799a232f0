// Whether a JSON value satisfies a schema, for the keywords that tests/data/schemas.json uses:
// written from the specification (JSON Schema 2020-12), to check what grammars let through.
#pragma once

#include "base/json.h"

#include <string>

namespace trellis {

/// What the value violates, first of all; empty where it satisfies the schema. An unknown keyword
/// is a violation.
std::string schema_violation(const Json& schema, const Json& value);

}  // namespace trellis
