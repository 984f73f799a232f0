// Carries one request's events from the engine thread to its reader. A slow reader costs no one
// else anything: events that it has not taken yet are merged into one.
#pragma once

#include "trellis/engine.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace trellis {

/// push() and fail() are for the engine thread, the rest for any.
class EventChannel {
 public:
  void push(Event event);
  /// Ends the stream with an error.
  void fail(std::string message);
  /// Waits. Empty after the finished event was taken.
  std::optional<Event> pop();
  /// The next event if there is one now.
  std::optional<Event> try_pop();

  /// wake is called when an event can be taken and none could before: by push(), without any lock
  /// held, or at once. It must not throw, and takes the place of the one before.
  void on_ready(std::function<void()> wake);

  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(); }

 private:
  using Wake = std::shared_ptr<const std::function<void()>>;

  /// Adds an event to what is pending; returns whom to wake. Locked.
  Wake put(Event event);
  std::optional<Event> take();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<Event> pending_;
  bool closed_ = false;
  Wake wake_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace trellis
