// What the program prints: results on stdout, notes on stderr.
#pragma once

#include "text/chat_template.h"

#include <string_view>

namespace trellis {

/// Prints the document, its fields in the order they were set, and a newline on stdout. Bytes that
/// are not UTF-8 become U+FFFD, NaN and infinity null. Throws UserError when stdout cannot take it.
void print_json(const OrderedJson& document);

/// Prints text on stdout and flushes it. Throws UserError when stdout cannot take it.
void print_text(std::string_view text);

/// Prints text on stderr. Where nobody listens there, nothing happens.
void print_note(std::string_view text);

/// Points those of the descriptors 0, 1 and 2 that are closed at an empty file that cannot be
/// written, so that no file of ours gets their number and is printed into.
void occupy_standard_descriptors();

}  // namespace trellis
