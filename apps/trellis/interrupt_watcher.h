// Turns Ctrl-C, or other signals, into a function call on a thread of its own, where locks and
// other objects may be used freely.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>
#include <vector>

namespace trellis {

/// Make it before any other thread starts: threads made later inherit the blocked signal. One at a
/// time per process.
class InterruptWatcher {
 public:
  /// on_interrupt runs once for each of the signals, on the watcher's thread; it must not throw.
  explicit InterruptWatcher(
      std::function<void()> on_interrupt, std::vector<int> signals = {SIGINT}
  );
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

 private:
  std::function<void()> on_interrupt_;
  int waking_signal_;  // one of them
  std::atomic<bool> stopping_{false};
  sigset_t previous_mask_{};
  std::thread thread_;
};

}  // namespace trellis
