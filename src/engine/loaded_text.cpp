#include "engine/loaded_text.h"

#include "checkpoint/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace trellis {

LoadedText load_text(const std::filesystem::path& directory, const ModelConfig& config) {
  LoadedText loaded;
  loaded.generation = read_generation_config(directory);
  const TokenizerConfig text = read_tokenizer_config(directory);
  loaded.tokenizer = Tokenizer::from_file(directory / "tokenizer.json");

  std::vector<int32_t>& stop_ids = loaded.stop_ids;
  stop_ids = loaded.generation.eos_token_ids;
  stop_ids.insert(stop_ids.end(), config.eos_token_ids.begin(), config.eos_token_ids.end());
  if (text.eos_token) {
    if (const auto id = loaded.tokenizer->token_to_id(*text.eos_token)) stop_ids.push_back(*id);
  }
  std::sort(stop_ids.begin(), stop_ids.end());
  stop_ids.erase(std::unique(stop_ids.begin(), stop_ids.end()), stop_ids.end());

  if (text.chat_template) {
    Json special = Json::object();
    const auto set = [&](const char* key, const std::optional<std::string>& token) {
      if (token) special[key] = *token;
    };
    set("bos_token", text.bos_token);
    set("eos_token", text.eos_token);
    set("unk_token", text.unk_token);
    set("pad_token", text.pad_token);
    loaded.chat_template = std::make_unique<ChatTemplate>(*text.chat_template, special);
  }
  return loaded;
}

std::vector<int32_t> stop_ids_of(const Request& request, const LoadedText& text) {
  std::vector<int32_t> stop_ids = request.stop_token_ids;
  if (!request.ignore_eos) {
    stop_ids.insert(stop_ids.end(), text.stop_ids.begin(), text.stop_ids.end());
  }
  // Special tokens are not part of the text: a stop string that spells one is met as a token.
  for (const std::string& spelled : request.stop_strings) {
    const std::optional<int32_t> id = text.tokenizer->token_to_id(spelled);
    if (!id) continue;
    const std::array<int32_t, 1> ids = {*id};
    const bool special = text.tokenizer->decode(ids, true).empty();
    if (special && text.tokenizer->decode(ids, false) == spelled) stop_ids.push_back(*id);
  }
  return stop_ids;
}

}  // namespace trellis
