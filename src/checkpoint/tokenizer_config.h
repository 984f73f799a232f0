// tokenizer_config.json of a model directory and the chat template beside it: the text side's
// settings that tokenizer.json does not hold.
#pragma once

#include "base/json.h"

#include <filesystem>
#include <optional>
#include <string>

namespace trellis {

struct TokenizerConfig {
  std::optional<std::string> bos_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> unk_token;
  std::optional<std::string> pad_token;
  std::optional<bool> add_bos_token;
  std::optional<std::string> chat_template;  // Jinja source
};

/// Reads <directory>/tokenizer_config.json; special_tokens_map.json fills in tokens that it does
/// not name. The chat template comes from the first of: chat_template.jinja, tokenizer_config.json,
/// chat_template.json. Every file may be missing. Throws UserError naming file and key path of what
/// is wrong.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory);

/// One document of the three JSON files above; origin names it in errors. Of several named
/// templates the one called "default" is taken.
TokenizerConfig parse_tokenizer_config(const Json& document, const std::string& origin);

}  // namespace trellis
