// Tools for templates that do not know any: the prompt describes them and how to call them, and
// calls and their results become text.
#pragma once

#include "dialog/tool.h"
#include "dialog/tool_format.h"

namespace trellis {

/// The messages with a description of the tools in the system's message, if there are any, and
/// without anything but roles and text. messages: as chat templates take them.
OrderedJson with_tools_as_text(
    const OrderedJson& messages, const Toolbox& toolbox, const ToolFormat& format
);

/// The tools as templates take them: [{"type": "function", "function": {"name", ...}}].
OrderedJson tools_json(const Toolbox& toolbox);

}  // namespace trellis
