// The one lock over all that a pool keeps of its models, and what is to be woken when that
// changes. Inside src/server/models only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace trellis::server {

struct ModelInstance;

class ModelMonitor {
 public:
  using Clock = std::chrono::steady_clock;

  class Locked;

  // With the lock held.
  /// Threads that wait look again.
  void notify() { changed_.notify_all(); }
  /// Likewise, and those that watch the instance are woken once the lock is released.
  void tell(const ModelInstance& instance);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> wakes_;  // to be called without the lock
};

/// Holds the lock, and calls what has to be woken once it is released.
class ModelMonitor::Locked {
 public:
  explicit Locked(ModelMonitor& monitor) : monitor_(monitor), lock_(monitor.mutex_) {}
  ~Locked() { release(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  /// Returns when something may have changed, at `until` at the latest.
  void wait(std::optional<Clock::time_point> until = std::nullopt);

 private:
  void release();

  ModelMonitor& monitor_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace trellis::server
