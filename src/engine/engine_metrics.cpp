#include "engine/engine_metrics.h"

namespace trellis {
namespace {

double seconds(EngineMetrics::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void EngineMetrics::set_load(const Load& load) {
  const std::lock_guard lock(mutex_);
  stats_.num_running = load.num_running;
  stats_.num_waiting = load.num_waiting;
  stats_.num_pages = load.num_pages;
  stats_.num_used_pages = load.num_used_pages;
  stats_.num_cached_pages = load.num_cached_pages;
  stats_.host_cache = load.host_cache;
  stats_.disk_cache = load.disk_cache;
}

void EngineMetrics::add_step(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  stats_.step_s.add(seconds(time));
}

void EngineMetrics::add_queued(Clock::duration waited) {
  const std::lock_guard lock(mutex_);
  stats_.queue_s.add(seconds(waited));
}

void EngineMetrics::add_prompt(const Usage& usage) {
  const std::lock_guard lock(mutex_);
  stats_.prompt_tokens += usage.prompt_tokens;
  stats_.cached_tokens += usage.cached_tokens;
}

void EngineMetrics::add_first_token(Clock::duration since_submit) {
  const std::lock_guard lock(mutex_);
  stats_.first_token_s.add(seconds(since_submit));
  ++stats_.generated_tokens;
}

void EngineMetrics::add_next_token(Clock::duration since_token) {
  const std::lock_guard lock(mutex_);
  stats_.inter_token_s.add(seconds(since_token));
  ++stats_.generated_tokens;
}

void EngineMetrics::add_finished(
    Clock::duration since_submit, FinishReason reason, const Usage& usage
) {
  const std::lock_guard lock(mutex_);
  stats_.request_s.add(seconds(since_submit));
  stats_.num_preemptions += usage.num_preemptions;
  ++stats_.num_finished[static_cast<size_t>(reason)];
}

EngineStats EngineMetrics::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace trellis
