// The one JSON document that a verb prints with --json.
#pragma once

#include "text/chat_template.h"

#include <string_view>

namespace trellis {

/// Prints the document, its fields in the order they were set, and a newline on stdout. Bytes that
/// are not UTF-8 become U+FFFD, NaN and infinity null. Throws UserError when stdout cannot take it.
void print_json(const OrderedJson& document);

/// Prints text on stdout and flushes it. Throws UserError when stdout cannot take it.
void print_text(std::string_view text);

}  // namespace trellis
