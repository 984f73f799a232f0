#include "engine/event_channel.h"

#include <iterator>
#include <utility>

namespace trellis {

void EventChannel::push(Event event) {
  const std::lock_guard lock(mutex_);
  if (!pending_) {
    pending_ = std::move(event);
  } else {
    pending_->text += event.text;
    pending_->token_ids.insert(
        pending_->token_ids.end(), event.token_ids.begin(), event.token_ids.end()
    );
    std::move(event.logprobs.begin(), event.logprobs.end(), std::back_inserter(pending_->logprobs));
    pending_->finished = event.finished;
    pending_->finish_reason = event.finish_reason;
    pending_->error = std::move(event.error);
    pending_->usage = event.usage;
  }
  ready_.notify_all();
}

void EventChannel::fail(std::string message) {
  Event event;
  event.finished = true;
  event.finish_reason = FinishReason::kError;
  event.error = std::move(message);
  push(std::move(event));
}

std::optional<Event> EventChannel::pop() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return closed_ || pending_.has_value(); });
  if (closed_) return std::nullopt;
  std::optional<Event> event = std::exchange(pending_, std::nullopt);
  closed_ = event->finished;
  return event;
}

}  // namespace trellis
