// From what the user wrote to the token ids a model begins with.
#pragma once

#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// The token that a model's texts begin with, where it has one.
struct BeginToken {
  std::optional<int32_t> id;
  std::string text;
};

/// Looks in tokenizer_config.json, then in config.json. Throws UserError for an unreadable file.
BeginToken read_begin_token(const std::filesystem::path& directory, const Tokenizer& tokenizer);

/// The ids of a plain text. A text that already starts with the begin token does not get a second
/// one; an empty text is the begin token alone, or nothing if the model has none.
std::vector<int32_t> encode_text(
    const Tokenizer& tokenizer, const BeginToken& begin, std::string_view text
);

/// The chat template of a model directory with its special tokens, or null if it has none. Throws
/// UserError.
std::unique_ptr<ChatTemplate> read_chat_template(const std::filesystem::path& directory);

/// The ids of a conversation ready for the model's answer: the template writes every special token
/// itself. messages: [{"role", "content"}, ...]. Throws UserError with the template's message where
/// it refuses them.
std::vector<int32_t> encode_conversation(
    const Tokenizer& tokenizer, const ChatTemplate& chat_template, const OrderedJson& messages
);

/// "1,2,3" as numbers; blanks are allowed. Throws UserError.
std::vector<int32_t> parse_token_ids(std::string_view text);

/// Throws UserError naming the origin and the first byte that is not UTF-8.
void require_utf8(std::string_view text, const std::string& origin);

/// At most max_bytes from the start of a file; "-" is stdin. Throws UserError naming the file.
std::string read_text_file(const std::filesystem::path& path, size_t max_bytes);

}  // namespace trellis
