// The CPU backend's and the converter's own threads: they spin briefly for the next piece of work,
// then park.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trellis {

/// A fixed set of threads that run one function together. The calling thread is worker 0.
/// run() may be called by one thread at a time; a worker must not call run() of its own pool.
class ThreadPool {
 public:
  /// num_threads counts the caller; 0 means one per CPU that this process may use. Throws UserError
  /// if the system gives no more threads.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls task(worker) once on every worker, 0 to num_threads() - 1, and returns when all are
  /// done. An exception thrown by a worker is rethrown here, the lowest worker's first.
  void run(const std::function<void(int worker)>& task);

  /// Splits [0, count) into pieces of at most `grain`: body(begin, end, worker). Each worker goes
  /// through a range of its own in order, then helps with what the others have left.
  void for_each(
      int64_t count, int64_t grain,
      const std::function<void(int64_t begin, int64_t end, int worker)>& body
  );

  /// The number of CPUs this process may run on, at least 1.
  static int available_cpus();

 private:
  void work(int worker);
  void stop();
  void run_on(int worker);
  void open_region();
  void close_region();
  void run_region(const std::function<void(int worker)>& task, bool by_every_worker);

  /// A worker's range in for_each, alone in its cache line.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  std::vector<std::thread> workers_;
  std::vector<std::exception_ptr> errors_;
  std::vector<Share> shares_;
  const std::function<void(int)>* task_ = nullptr;
  /// A region is one call of the task: its number, whether workers may still join it, and how many
  /// are in it, in one word so that none joins what has been closed.
  std::atomic<uint64_t> region_{0};
  std::atomic<size_t> joined_{0};  // workers that have come into the region so far
  std::atomic<bool> stopping_{false};
  std::atomic<int> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace trellis
