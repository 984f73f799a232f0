// Where the engine thread notes what it does, and other threads read it.
#pragma once

#include "trellis/engine.h"

#include <chrono>
#include <mutex>

namespace trellis {

class EngineMetrics {
 public:
  using Clock = std::chrono::steady_clock;

  struct Load {
    int64_t num_running = 0;
    int64_t num_waiting = 0;
    int64_t num_pages = 0;
    int64_t num_used_pages = 0;
    int64_t num_cached_pages = 0;
    CacheTierStats host_cache;
    CacheTierStats disk_cache;
  };

  // Engine thread.
  void set_load(const Load& load);
  void add_step(Clock::duration time);
  /// waited: from submit() to the first step.
  void add_queued(Clock::duration waited);
  /// All of a request's prompt is computed.
  void add_prompt(const Usage& usage);
  /// since_submit: to the request's first token.
  void add_first_token(Clock::duration since_submit);
  void add_next_token(Clock::duration since_token);
  /// since_submit: to the request's end.
  void add_finished(Clock::duration since_submit, FinishReason reason, const Usage& usage);

  // Any thread.
  EngineStats stats() const;

 private:
  mutable std::mutex mutex_;
  EngineStats stats_;
};

}  // namespace trellis
