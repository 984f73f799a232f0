#include "base/thread_pool.h"

#include "base/error.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

namespace trellis {
namespace {

// About 50 us of polling: longer than the gap between two ops of a step, shorter than anyone's idle
// time.
constexpr int kSpins = 20000;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

int ThreadPool::available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads <= 0) num_threads = available_cpus();
  errors_.resize(static_cast<size_t>(num_threads));
  shares_ = std::vector<Share>(static_cast<size_t>(num_threads));
  workers_.reserve(static_cast<size_t>(num_threads) - 1);
  try {
    for (int worker = 1; worker < num_threads; ++worker) {
      workers_.emplace_back([this, worker] { work(worker); });
    }
  } catch (const std::system_error&) {
    const size_t started = workers_.size();
    stop();
    throw UserError(
        "only {} of {} threads could be started; use fewer (--threads)", started + 1, num_threads
    );
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& thread : workers_) thread.join();
}

void ThreadPool::run_on(int worker) {
  try {
    (*task_)(worker);
  } catch (...) {
    errors_[static_cast<size_t>(worker)] = std::current_exception();
  }
}

void ThreadPool::work(int worker) {
  uint64_t seen = 0;
  while (true) {
    for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen;
         ++spin) {
      pause_cpu();
    }
    if (generation_.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      parked_.fetch_sub(1);
    }
    ++seen;
    if (stopping_.load()) return;
    run_on(worker);
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::run(const std::function<void(int)>& task) {
  task_ = &task;
  unfinished_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);
  if (parked_.load() > 0) {
    // Taking the lock orders this wake-up after a worker's last look at generation_.
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  run_on(0);
  for (int spin = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < kSpins) {
      pause_cpu();
    } else {
      std::this_thread::yield();
    }
  }
  for (std::exception_ptr& error : errors_) {
    if (!error) continue;
    const std::exception_ptr first = std::exchange(error, nullptr);
    for (std::exception_ptr& rest : errors_) rest = nullptr;
    std::rethrow_exception(first);
  }
}

void ThreadPool::for_each(
    int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, int)>& body
) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || workers_.empty()) {
    body(0, count, 0);
    return;
  }
  const int64_t threads = num_threads();
  for (int64_t worker = 0; worker < threads; ++worker) {
    Share& share = shares_[static_cast<size_t>(worker)];
    share.next.store(count * worker / threads, std::memory_order_relaxed);
    share.end = count * (worker + 1) / threads;
  }
  run([&](int worker) {
    for (int64_t i = 0; i < threads; ++i) {
      Share& share = shares_[static_cast<size_t>((worker + i) % threads)];
      for (int64_t begin = share.next.fetch_add(grain); begin < share.end;
           begin = share.next.fetch_add(grain)) {
        body(begin, std::min(begin + grain, share.end), worker);
      }
    }
  });
}

}  // namespace trellis
