// One thread that does what others leave to it, in their order: for work that waits for a disk.
#pragma once

#include "base/bounded_queue.h"

#include <cstddef>
#include <functional>
#include <thread>

namespace trellis {

/// Its thread takes no signals, those that a file of too many bytes raises included. Jobs must not
/// throw.
class JobThread {
 public:
  using Job = std::function<void()>;

  /// At most `capacity` jobs wait.
  explicit JobThread(size_t capacity);
  /// Waits until all jobs are done.
  ~JobThread();
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  /// False, and nothing is done, when too many wait.
  bool try_post(Job job) { return jobs_.try_push(job); }

 private:
  BoundedQueue<Job> jobs_;
  std::thread thread_;
};

}  // namespace trellis
