#include "engine/held_tokens.h"

#include "base/error.h"

#include <utility>

namespace trellis {

HeldTokens::HeldTokens(std::span<const std::string> strings, AnswerText beginning)
    : matcher_(strings), text_(std::move(beginning)) {}

size_t HeldTokens::push(Event event, const std::string& added, bool is_forced) {
  tokens_.push_back({std::move(event), is_forced});
  return matcher_.push(added);
}

AnswerText HeldTokens::take_back(size_t count) {
  const size_t kept = tokens_.size() - count;
  if (tokens_[kept].is_forced) {
    throw UserError(
        "the grammar leads to a banned string and allows nothing else; ban other strings or change "
        "the grammar"
    );
  }
  if (++num_retries_ > kMostRetries) {
    throw UserError(
        "the answer came to banned strings {} times without getting any further; ban fewer strings",
        kMostRetries
    );
  }
  forbidden_.erase(forbidden_.upper_bound(kept), forbidden_.end());
  forbidden_[kept].push_back(tokens_[kept].event.token_ids.front());
  tokens_.resize(kept);
  matcher_.drop(count);
  AnswerText text = text_;
  for (const Held& held : tokens_) text.push(held.event.token_ids.front(), false);
  return text;
}

std::vector<Event> HeldTokens::take_ready() {
  if (matcher_.num_held() > 0) return {};
  for (const Held& held : tokens_) text_.push(held.event.token_ids.front(), false);
  return take_all();
}

std::vector<Event> HeldTokens::take_all() {
  std::vector<Event> events;
  for (Held& held : tokens_) events.push_back(std::move(held.event));
  tokens_.clear();
  forbidden_.clear();
  num_retries_ = 0;
  return events;
}

std::span<const int32_t> HeldTokens::forbidden() const {
  const auto found = forbidden_.find(tokens_.size());
  return found == forbidden_.end() ? std::span<const int32_t>() : found->second;
}

}  // namespace trellis
