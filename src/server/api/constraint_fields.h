// What a client may say of an answer's form: response_format and the names that other servers have
// for the same. Tools are refused by name, since an answer that ignored them would be worse than
// none.
#pragma once

#include "server/api/generation_fields.h"

namespace trellis::server {

/// Those of chat and plain completions.
Fields<GenerationFields> constraint_fields();

/// What "response_format" and its like hold: {"type": "text", "json_object" or "json_schema"}, and
/// for the last a schema, in its member "json_schema" if that is said to hold it.
enum class SchemaPlace : uint8_t { kInMember, kBesideType };
std::optional<ApiError> read_answer_format(
    const Json& value, const std::string& path, SchemaPlace place, GenerationFields& target
);
/// The JSON schema of such a value.
Json answer_format_schema(SchemaPlace place);

}  // namespace trellis::server
