// What a client may say of tools, in the shapes of the three APIs that know them.
#pragma once

#include "dialog/tool.h"
#include "server/api/field.h"

#include <string_view>

namespace trellis::server {

/// How an API writes a tool.
enum class ToolShape : uint8_t {
  kInFunction,   // OpenAI's chat: {"type": "function", "function": {"name", "parameters", ...}}
  kFlat,         // OpenAI's responses: {"type": "function", "name", "parameters", ...}
  kInputSchema,  // Anthropic's messages: {"name", "input_schema", ...}
};

/// tools, tool_choice and, where the API has it, parallel_tool_calls.
Fields<Toolbox> tool_fields(ToolShape shape);

/// What only all fields together can tell, and the order of the schemas' keys, which body_text
/// alone has. After all fields have been read.
std::optional<ApiError> complete(Toolbox& toolbox, ToolShape shape, std::string_view body_text);

}  // namespace trellis::server
