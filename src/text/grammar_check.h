// Whether output could be constrained by a grammar: the check a request's schema passes before it
// is accepted.
#pragma once

#include "text/tokenizer.h"

#include <string_view>

namespace trellis {

enum class GrammarKind : uint8_t { kJsonSchema, kRegex, kLark };

/// Compiles the grammar for the tokenizer's vocabulary. Throws UserError saying what is wrong with
/// it, or that it is larger than 1 MiB. The first call for a tokenizer takes as long as loading it.
/// Any thread.
void check_grammar(const Tokenizer& tokenizer, GrammarKind kind, std::string_view grammar);

}  // namespace trellis
