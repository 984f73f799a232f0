// The threads on which grammars work out masks while the device computes. Owned by the engine.
#pragma once

#include "base/bounded_queue.h"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace trellis {

/// Each piece of work runs once, the first come the first begun. What waits when this ends is
/// dropped.
class MaskWorkers {
 public:
  explicit MaskWorkers(int num_threads);
  ~MaskWorkers();
  MaskWorkers(const MaskWorkers&) = delete;
  MaskWorkers& operator=(const MaskWorkers&) = delete;

  /// Any thread; waits where very much is waiting already. work must not throw.
  void start(std::function<void()> work);

 private:
  static constexpr size_t kCapacity = 1024;

  void work();

  BoundedQueue<std::function<void()>> queue_{kCapacity};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace trellis
