// Carries one request's events from the engine thread to its reader. A slow reader costs no one
// else anything: events that it has not taken yet are merged into one.
#pragma once

#include "trellis/engine.h"

#include <atomic>
#include <condition_variable>
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

  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(); }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<Event> pending_;
  bool closed_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace trellis
