#include "engine/reasoning_limit.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace trellis {

ReasoningLimit::ReasoningLimit(ReasoningBudget budget, const Tokenizer& tokenizer)
    : budget_(std::move(budget)) {
  if (const std::optional<int32_t> id = tokenizer.token_to_id(budget_.close)) {
    closing_ = {*id};
  } else {
    const std::vector<int32_t> ids = tokenizer.encode(budget_.close, false);
    closing_.assign(ids.begin(), ids.end());
  }
  if (!budget_.is_open) return;
  state_ = budget_.max_tokens > 0 ? State::kInside : State::kClosing;
}

void ReasoningLimit::take(int32_t token, std::string_view text) {
  if (state_ == State::kBefore) {
    take_before(text);
  } else if (state_ == State::kInside) {
    take_inside(text);
  } else if (due_token() == token) {
    closing_.pop_front();
    if (closing_.empty()) state_ = State::kOver;
  }
}

void ReasoningLimit::take_before(std::string_view text) {
  text_ += text;
  const size_t begin = std::min(text_.find_first_not_of(" \t\r\n"), text_.size());
  const std::string_view visible = std::string_view(text_).substr(begin);
  if (visible.starts_with(budget_.open)) {
    text_ = visible.substr(budget_.open.size());
    state_ = budget_.max_tokens > 0 ? State::kInside : State::kClosing;
  } else if (!budget_.open.starts_with(visible)) {
    state_ = State::kOver;
  }
}

void ReasoningLimit::take_inside(std::string_view text) {
  text_ += text;
  if (text_.find(budget_.close) != std::string::npos) {
    state_ = State::kOver;
    return;
  }
  text_.erase(0, text_.size() - std::min(text_.size(), budget_.close.size() - 1));
  if (++num_tokens_ >= budget_.max_tokens) state_ = State::kClosing;
}

std::optional<int32_t> ReasoningLimit::due_token() const {
  if (state_ != State::kClosing || closing_.empty()) return std::nullopt;
  return closing_.front();
}

}  // namespace trellis
