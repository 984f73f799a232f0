// Finds the tokens of a vocabulary by their text.
#pragma once

#include "text/tokenizer.h"

#include <set>
#include <span>
#include <string>

namespace trellis {

/// The ids of all tokens whose text contains one of these; for a text that no token contains, the
/// last token of it. Special tokens have no text. Takes as long as decoding the whole vocabulary.
std::set<int32_t> tokens_containing(const Tokenizer& tokenizer, std::span<const std::string> texts);

}  // namespace trellis
