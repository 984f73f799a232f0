#include "apps/trellis/prompt.h"

#include "checkpoint/model_config.h"
#include "checkpoint/tokenizer_config.h"
#include "text/utf8_buffer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>

namespace trellis {

BeginToken read_begin_token(const std::filesystem::path& directory, const Tokenizer& tokenizer) {
  const TokenizerConfig text_config = read_tokenizer_config(directory);
  if (text_config.bos_token) {
    if (const auto id = tokenizer.token_to_id(*text_config.bos_token)) {
      return {id, *text_config.bos_token};
    }
  }
  const std::optional<int32_t> id = read_model_config(directory).bos_token_id;
  if (!id || *id < 0 || *id >= tokenizer.vocab_size()) return {};
  return {id, tokenizer.id_to_token(*id)};
}

std::vector<int32_t> encode_text(
    const Tokenizer& tokenizer, const BeginToken& begin, std::string_view text
) {
  std::vector<int32_t> ids = tokenizer.encode(text, true);
  if (!begin.id) return ids;
  if (ids.empty()) return {*begin.id};
  const bool written = !begin.text.empty() && text.starts_with(begin.text);
  if (written && ids.size() >= 2 && ids[0] == *begin.id && ids[1] == *begin.id) {
    ids.erase(ids.begin());
  }
  return ids;
}

std::unique_ptr<ChatTemplate> read_chat_template(const std::filesystem::path& directory) {
  const TokenizerConfig config = read_tokenizer_config(directory);
  if (!config.chat_template) return nullptr;
  OrderedJson special_tokens = OrderedJson::object();
  const auto set = [&](const char* name, const std::optional<std::string>& token) {
    if (token) special_tokens[name] = *token;
  };
  set("bos_token", config.bos_token);
  set("eos_token", config.eos_token);
  set("unk_token", config.unk_token);
  set("pad_token", config.pad_token);
  return std::make_unique<ChatTemplate>(*config.chat_template, special_tokens);
}

std::vector<int32_t> encode_conversation(
    const Tokenizer& tokenizer, const ChatTemplate& chat_template, const OrderedJson& messages
) {
  return tokenizer.encode(chat_template.render(messages, nullptr, true), false);
}

std::vector<int32_t> parse_token_ids(std::string_view text) {
  std::vector<int32_t> ids;
  const char* position = text.data();
  const char* const end = text.data() + text.size();
  const auto skip_blanks = [&] {
    position = std::find_if(position, end, [](char c) { return c != ' ' && c != '\t'; });
  };
  skip_blanks();
  while (position != end) {
    int32_t id = 0;
    const auto [next, error] = std::from_chars(position, end, id);
    position = next;
    skip_blanks();
    const bool more = position != end && *position == ',';
    if (error == std::errc::result_out_of_range) {
      throw UserError("token ids: a number of \"{}\" is too large for a token id", text);
    }
    if (error != std::errc() || (position != end && !more)) {
      throw UserError("token ids: expected numbers parted by commas, found \"{}\"", text);
    }
    ids.push_back(id);
    if (!more) break;
    ++position;
    skip_blanks();
    if (position == end) {
      throw UserError("token ids: nothing follows the last comma of \"{}\"", text);
    }
  }
  return ids;
}

void require_utf8(std::string_view text, const std::string& origin) {
  // What is not UTF-8 comes out of the buffer as U+FFFD, so the first difference is the first
  // fault.
  Utf8Buffer buffer;
  const std::string clean = buffer.push(text) + buffer.flush();
  const auto fault = std::mismatch(text.begin(), text.end(), clean.begin(), clean.end()).first;
  if (fault == text.end()) return;
  throw UserError(
      "{}: not valid UTF-8 at byte {}; give text in that encoding", origin, fault - text.begin()
  );
}

std::string read_text_file(const std::filesystem::path& path, size_t max_bytes) {
  // A stream, so that pipes work as well.
  std::ifstream opened;
  const bool from_stdin = path == "-";
  if (!from_stdin) opened.open(path, std::ios::binary);
  if (!opened) {
    throw UserError("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  }
  std::istream& file = from_stdin ? std::cin : opened;
  std::string text;
  char piece[1 << 16];
  while (text.size() < max_bytes && file.good()) {
    file.read(
        piece, static_cast<std::streamsize>(std::min(sizeof(piece), max_bytes - text.size()))
    );
    text.append(piece, static_cast<size_t>(file.gcount()));
  }
  if (file.bad() || (!from_stdin && std::filesystem::is_directory(path))) {
    throw UserError("{}: cannot be read as a file", path.string());
  }
  return text;
}

}  // namespace trellis
