#include "apps/trellis/chat_session.h"

#include "base/error.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace trellis {
namespace {

constexpr const char* kSystem = "system";
constexpr const char* kUser = "user";
constexpr const char* kAssistant = "assistant";
constexpr int64_t kMostAnswerRoom = 512;

bool has_role(const char* role, const char* wanted) {
  return std::strcmp(role, wanted) == 0;
}

}  // namespace

ChatSession::ChatSession(Encode encode, int64_t context_tokens)
    : encode_(std::move(encode)), context_tokens_(context_tokens) {}

void ChatSession::add_user(std::string text) {
  messages_.push_back({kUser, std::move(text)});
}

void ChatSession::add_answer(std::string text) {
  messages_.push_back({kAssistant, std::move(text)});
}

void ChatSession::remove_last() {
  TRELLIS_CHECK(!messages_.empty(), "a message to take back");
  messages_.pop_back();
  first_seen_ = std::min(first_seen_, messages_.size());
}

bool ChatSession::retry() {
  if (messages_.empty() || !has_role(messages_.back().role, kAssistant)) return false;
  messages_.pop_back();
  return true;
}

void ChatSession::clear() {
  messages_.clear();
  first_seen_ = 0;
  prompt_tokens_ = 0;
}

ChatSession::Prompt ChatSession::prompt() {
  const int64_t limit = context_tokens_ - std::min(context_tokens_ / 4, kMostAnswerRoom);
  Prompt prompt;
  size_t first = first_seen_;
  while (true) {
    prompt.ids = encode_(messages_from(first));
    if (static_cast<int64_t>(prompt.ids.size()) <= limit) break;
    const std::optional<size_t> next = next_turn(first);
    if (!next) {
      throw UserError(
          "the message needs {} tokens and the context of {} leaves {} for it; shorten it or start "
          "with a larger --context",
          prompt.ids.size(), context_tokens_, limit
      );
    }
    first = *next;
  }
  prompt.num_dropped = static_cast<int>(first - first_seen_);
  first_seen_ = first;
  prompt_tokens_ = static_cast<int64_t>(prompt.ids.size());
  return prompt;
}

OrderedJson ChatSession::messages_from(size_t first) const {
  OrderedJson messages = OrderedJson::array();
  const auto append = [&messages](const char* role, const std::string& content) {
    messages.push_back({{"role", role}, {"content", content}});
  };
  if (!system_.empty()) append(kSystem, system_);
  for (size_t i = first; i < messages_.size(); ++i) append(messages_[i].role, messages_[i].content);
  return messages;
}

std::optional<size_t> ChatSession::next_turn(size_t first) const {
  for (size_t i = first + 1; i < messages_.size(); ++i) {
    if (has_role(messages_[i].role, kUser)) return i;
  }
  return std::nullopt;
}

}  // namespace trellis
