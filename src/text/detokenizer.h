// Generated token ids to text, one token at a time. Between the sampler and the stop matcher; each
// sequence has its own.
#pragma once

#include "text/tokenizer.h"
#include "text/utf8_buffer.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// Turns a stream of ids into a stream of whole UTF-8 characters; at most 3 bytes wait for the rest
/// of a character. Everything pushed and flushed together is Tokenizer::decode of the ids. Where
/// bytes are not UTF-8 this holds for byte-level vocabularies; for byte-fallback ones decode()
/// replaces the whole run of bytes, which a stream cannot. The tokenizer must outlive it. One
/// thread at a time.
class Detokenizer {
 public:
  /// spelled: special tokens that are spelled out all the same.
  explicit Detokenizer(
      const Tokenizer& tokenizer, bool skip_special_tokens = true, std::vector<int32_t> spelled = {}
  );

  /// Says what the text continues. Call before the first push; without it the text starts with the
  /// first id, and loses the leading space that such vocabularies put before the first word.
  void prime(std::span<const int32_t> prompt_ids);

  /// Takes the next id; returns the text it completes, often empty.
  std::string push(int32_t id);

  /// The end of the text: what was waiting comes out as U+FFFD.
  std::string flush();

 private:
  std::string push_piece(int32_t id);
  std::string push_by_context(int32_t id);
  std::string strip_start(std::string text);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<int32_t> spelled_;
  PieceDecoding decoding_;
  Utf8Buffer utf8_;
  bool is_first_ = true;
  uint32_t strip_left_;
  std::optional<int32_t> previous_id_;  // only when decoding goes by context
};

}  // namespace trellis
