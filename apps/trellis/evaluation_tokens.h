// The tokens on which perplexity is measured: a text file, or conversations as a model would see
// them.
#pragma once

#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace trellis {

/// Tokens of the beginning of a text, without a begin token: of its first 400,000 characters, or 12
/// per wanted token where that is more. Throws UserError naming the file.
std::vector<int32_t> text_tokens(
    const Tokenizer& tokenizer, const std::filesystem::path& file, int64_t wanted
);

/// Tokens of a file with one JSON document a line, {"messages": [...]} or {"text": "..."}:
/// conversations rendered with the template, texts as they are, `separator` between documents,
/// without a begin token. Enough documents are read for the wanted tokens. Throws UserError naming
/// file and line.
std::vector<int32_t> chat_tokens(
    const Tokenizer& tokenizer, const ChatTemplate& chat_template, const std::string& separator,
    const std::filesystem::path& file, int64_t wanted
);

/// The first `bytes` such that text holds `characters` code points, or all of it.
size_t prefix_bytes(std::string_view text, size_t characters);

}  // namespace trellis
