#include "base/thread_pool.h"

#include "base/error.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

namespace trellis {
namespace {

// Some 0.3 ms of polling: longer than the gap between two ops of a step, shorter than anyone's idle
// time.
constexpr int kSpins = 20000;

// The parts of region_.
constexpr int kNumberShift = 16;
constexpr uint64_t kOpen = uint64_t{1} << 15;
constexpr uint64_t kInside = kOpen - 1;

constexpr uint64_t number_of(uint64_t region) {
  return region >> kNumberShift;
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <typename Condition>
void spin_until(const Condition& condition) {
  for (int spin = 0; !condition(); ++spin) {
    if (spin < kSpins) {
      pause_cpu();
    } else {
      std::this_thread::yield();
    }
  }
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
  stopping_.store(true);
  open_region();
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
  const auto is_new = [&] { return number_of(region_.load(std::memory_order_acquire)) != seen; };
  while (true) {
    for (int spin = 0; spin < kSpins && !is_new(); ++spin) pause_cpu();
    if (!is_new()) {
      std::unique_lock lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, is_new);
      parked_.fetch_sub(1);
    }
    uint64_t region = region_.load(std::memory_order_acquire);
    while ((region & kOpen) != 0 && !region_.compare_exchange_weak(region, region + 1)) {
    }
    seen = number_of(region);
    if ((region & kOpen) == 0) continue;  // the others had done it all
    if (stopping_.load()) return;
    joined_.fetch_add(1);
    run_on(worker);
    region_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::open_region() {
  joined_.store(0, std::memory_order_relaxed);
  region_.store(((number_of(region_.load()) + 1) << kNumberShift) | kOpen);
  if (parked_.load() > 0) {
    // Taking the lock orders this wake-up after a worker's last look at region_.
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
}

void ThreadPool::close_region() {
  region_.fetch_and(~kOpen);
  spin_until([&] { return (region_.load(std::memory_order_acquire) & kInside) == 0; });
}

void ThreadPool::run_region(const std::function<void(int worker)>& task, bool by_every_worker) {
  task_ = &task;
  open_region();
  run_on(0);
  if (by_every_worker) spin_until([&] { return joined_.load() == workers_.size(); });
  close_region();
  for (std::exception_ptr& error : errors_) {
    if (!error) continue;
    const std::exception_ptr first = std::exchange(error, nullptr);
    for (std::exception_ptr& rest : errors_) rest = nullptr;
    std::rethrow_exception(first);
  }
}

void ThreadPool::run(const std::function<void(int)>& task) {
  run_region(task, true);
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
  // Whoever comes last finds nothing left: a worker that the system has put aside is not waited
  // for, unless it holds a piece.
  const auto work_through = [&](int worker) {
    for (int64_t i = 0; i < threads; ++i) {
      Share& share = shares_[static_cast<size_t>((worker + i) % threads)];
      for (int64_t begin = share.next.fetch_add(grain); begin < share.end;
           begin = share.next.fetch_add(grain)) {
        body(begin, std::min(begin + grain, share.end), worker);
      }
    }
  };
  run_region(work_through, false);
}

}  // namespace trellis
