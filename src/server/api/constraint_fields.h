// What a client may say of an answer's form: response_format and the names that other servers have
// for the same.
#pragma once

#include "server/api/generation_fields.h"

namespace trellis::server {

/// Those of chat and plain completions.
Fields<GenerationFields> constraint_fields();

/// A schema that was sent as an object becomes its own text again, for the answer's keys come in
/// its order. After all fields have been read.
void keep_key_order(GenerationFields& fields, std::string_view body_text);

/// What "response_format" and its like hold: {"type": "text", "json_object" or "json_schema"}, and
/// for the last a schema, in its member "json_schema" if that is said to hold it.
enum class SchemaPlace : uint8_t { kInMember, kBesideType };
std::optional<ApiError> read_answer_format(
    const Json& value, const std::string& path, SchemaPlace place, GenerationFields& target
);
/// The JSON schema of such a value.
Json answer_format_schema(SchemaPlace place);

}  // namespace trellis::server
