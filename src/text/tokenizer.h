// Text to token ids and back, exactly as the tokenizers library does it for the same
// tokenizer.json. The first step of every request; text that is being generated goes through
// detokenizer.h instead of decode().
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct trellis_text_tokenizer;

namespace trellis {

/// How decoded text is put together from single tokens, see Tokenizer::piece.
struct PieceDecoding {
  bool by_piece = false;     // text is the pieces in a row; otherwise only decode() knows
  char strip_character = 0;  // removed from the start of the text,
  uint32_t strip_count = 0;  // at most that many times
};

/// A tokenizer.json. Immutable; every method may be called from any thread.
class Tokenizer {
 public:
  /// Reads a tokenizer.json, and adds the tokens that only the tokenizer_config.json beside it
  /// names. Throws UserError naming the file when it is missing, damaged or of an unknown kind.
  static std::unique_ptr<Tokenizer> from_file(const std::filesystem::path& tokenizer_json);
  /// Reads the text of a tokenizer.json and of a tokenizer_config.json, if there is one; origin
  /// names the first in errors.
  static std::unique_ptr<Tokenizer> from_json(
      std::string_view json, const std::string& origin, std::string_view config = {}
  );
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// The ids of a text. add_special_tokens: also what the file's post-processor adds, usually the
  /// first token. Special tokens that the text spells out become their ids. Throws UserError unless
  /// the text is UTF-8 and at most 64 MiB.
  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const;

  /// The text of the ids taken together. Ids outside the vocabulary stand for nothing; bytes that
  /// are not UTF-8 become U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  /// The id of a token as the vocabulary spells it, e.g. "<|im_end|>".
  std::optional<int32_t> token_to_id(std::string_view token) const;

  /// The token as the vocabulary spells it; empty for an id outside the vocabulary.
  std::string id_to_token(int32_t id) const;

  /// One more than the highest id. A model's own vocabulary is often padded beyond it.
  int64_t vocab_size() const;

  /// Whether and how single tokens can be decoded.
  PieceDecoding piece_decoding() const;

  /// The bytes that a token adds to the text, not always whole UTF-8; nothing for an id outside the
  /// vocabulary and for a special token that is to be skipped. is_first: no token before it was
  /// decoded. Needs piece_decoding().by_piece.
  std::optional<std::string> piece(int32_t id, bool skip_special_tokens, bool is_first) const;

  /// For GrammarMatcher.
  const trellis_text_tokenizer* handle() const { return handle_; }

 private:
  explicit Tokenizer(trellis_text_tokenizer* handle) : handle_(handle) {}

  trellis_text_tokenizer* handle_;
};

}  // namespace trellis
