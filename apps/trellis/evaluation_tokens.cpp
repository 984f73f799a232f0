#include "apps/trellis/evaluation_tokens.h"

#include "apps/trellis/prompt.h"
#include "base/error.h"
#include "base/json.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr size_t kTextCharacters = 400'000;
constexpr size_t kCharactersPerToken = 12;
constexpr size_t kMaxBytesPerToken = 64;  // on average: no tokenizer comes near
constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kMaxUtf8Bytes = 4;

/// One line of the file as the text that the model sees.
std::string document_text(
    std::string_view line, const ChatTemplate& chat_template, const std::string& origin
) {
  const Json document = parse_json(line, origin);
  const JsonObject object(document, origin);
  if (const auto text = object.optional_string("text")) return *text;
  const Json* messages = object.find("messages");
  if (messages == nullptr || !messages->is_array()) {
    throw UserError("{}: expected a list \"messages\" or a string \"text\"", origin);
  }
  try {
    return chat_template.render(*messages, nullptr, false);
  } catch (const UserError& error) {
    throw UserError("{}: {}", origin, error.what());
  }
}

}  // namespace

size_t prefix_bytes(std::string_view text, size_t characters) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins_character = (static_cast<unsigned char>(text[i]) & 0xC0u) != 0x80u;
    if (begins_character && count++ == characters) return i;
  }
  return text.size();
}

std::vector<int32_t> text_tokens(
    const Tokenizer& tokenizer, const std::filesystem::path& file, int64_t wanted
) {
  const size_t characters =
      std::max(kTextCharacters, kCharactersPerToken * static_cast<size_t>(wanted));
  const std::string text =
      read_text_file(file, std::min(kMaxFileBytes, kMaxUtf8Bytes * (characters + 1)));
  const std::string_view beginning =
      std::string_view(text).substr(0, prefix_bytes(text, characters));
  require_utf8(beginning, file.string());
  return tokenizer.encode(beginning, false);
}

std::vector<int32_t> chat_tokens(
    const Tokenizer& tokenizer, const ChatTemplate& chat_template, const std::string& separator,
    const std::filesystem::path& file, int64_t wanted
) {
  const std::string lines = read_text_file(file, kMaxFileBytes);
  const size_t enough = kMaxBytesPerToken * static_cast<size_t>(wanted);
  std::string text;
  bool first = true;
  size_t number = 0;
  for (size_t begin = 0; begin < lines.size() && text.size() < enough;) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const std::string_view line = std::string_view(lines).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (!first) text += separator;
    first = false;
    text += document_text(line, chat_template, fmt::format("{}: line {}", file.string(), number));
  }
  return tokenizer.encode(text, false);
}

}  // namespace trellis
