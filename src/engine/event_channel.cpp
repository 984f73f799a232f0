#include "engine/event_channel.h"

#include <iterator>
#include <utility>

namespace trellis {

void Event::append(Event next) {
  text += next.text;
  token_ids.insert(token_ids.end(), next.token_ids.begin(), next.token_ids.end());
  std::move(next.logprobs.begin(), next.logprobs.end(), std::back_inserter(logprobs));
  std::move(
      next.prompt_logprobs.begin(), next.prompt_logprobs.end(), std::back_inserter(prompt_logprobs)
  );
  if (embedding.empty()) embedding = std::move(next.embedding);
  finished = next.finished;
  finish_reason = next.finish_reason;
  stop_string = std::move(next.stop_string);
  error = std::move(next.error);
  usage = next.usage;
}

void EventChannel::push(Event event) {
  const Wake wake = put(std::move(event));
  ready_.notify_all();
  if (wake != nullptr && *wake) (*wake)();
}

EventChannel::Wake EventChannel::put(Event event) {
  const std::lock_guard lock(mutex_);
  if (!pending_) {
    pending_ = std::move(event);
    return wake_;
  }
  pending_->append(std::move(event));
  return nullptr;  // its reader was woken by the event that this one joins
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
  return take();
}

std::optional<Event> EventChannel::try_pop() {
  const std::lock_guard lock(mutex_);
  return take();
}

std::optional<Event> EventChannel::take() {
  std::optional<Event> event = std::exchange(pending_, std::nullopt);
  if (event) closed_ = event->finished;
  return event;
}

void EventChannel::on_ready(std::function<void()> wake) {
  const auto shared = std::make_shared<const std::function<void()>>(std::move(wake));
  bool ready = false;
  {
    const std::lock_guard lock(mutex_);
    wake_ = shared;
    ready = pending_.has_value();
  }
  if (ready && *shared) (*shared)();
}

}  // namespace trellis
