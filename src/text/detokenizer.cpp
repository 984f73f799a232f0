#include "text/detokenizer.h"

#include <algorithm>
#include <array>

namespace trellis {

Detokenizer::Detokenizer(
    const Tokenizer& tokenizer, bool skip_special_tokens, std::vector<int32_t> spelled
)
    : tokenizer_(&tokenizer),
      skip_special_tokens_(skip_special_tokens),
      spelled_(std::move(spelled)),
      decoding_(tokenizer.piece_decoding()),
      strip_left_(decoding_.strip_count) {}

void Detokenizer::prime(std::span<const int32_t> prompt_ids) {
  for (const int32_t id : prompt_ids) {
    // Nothing of the start is left to change once some text stands there.
    if (decoding_.by_piece && !is_first_ && strip_left_ == 0) return;
    push(id);
    utf8_.flush();
  }
}

std::string Detokenizer::push(int32_t id) {
  if (std::find(spelled_.begin(), spelled_.end(), id) != spelled_.end()) {
    is_first_ = false;
    strip_left_ = 0;
    return utf8_.flush() + tokenizer_->id_to_token(id);
  }
  return strip_start(decoding_.by_piece ? push_piece(id) : push_by_context(id));
}

std::string Detokenizer::flush() {
  return utf8_.flush();
}

std::string Detokenizer::push_piece(int32_t id) {
  const auto piece = tokenizer_->piece(id, skip_special_tokens_, is_first_);
  if (!piece) return {};
  is_first_ = false;
  return utf8_.push(*piece);
}

// Decoders that look at neighbours (WordPiece and its like) never split a character, and look one
// token back at most.
std::string Detokenizer::push_by_context(int32_t id) {
  const std::array<int32_t, 2> both{previous_id_.value_or(id), id};
  const std::span<const int32_t> last(both.data() + 1, 1);
  const std::string alone = tokenizer_->decode(last, skip_special_tokens_);
  if (alone.empty()) return {};
  if (!previous_id_) {
    previous_id_ = id;
    return alone;
  }
  const std::string before =
      tokenizer_->decode(std::span<const int32_t>(both.data(), 1), skip_special_tokens_);
  const std::string joined = tokenizer_->decode(both, skip_special_tokens_);
  previous_id_ = id;
  return joined.substr(std::min(before.size(), joined.size()));
}

std::string Detokenizer::strip_start(std::string text) {
  size_t skipped = 0;
  while (strip_left_ > 0 && skipped < text.size()) {
    if (text[skipped] != decoding_.strip_character) {
      strip_left_ = 0;
    } else {
      ++skipped;
      --strip_left_;
    }
  }
  return text.substr(skipped);
}

}  // namespace trellis
