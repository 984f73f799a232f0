// What an engine has done and is doing, for metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace trellis {

enum class FinishReason : uint8_t { kNone, kStop, kLength, kCancelled, kError };
inline constexpr size_t kNumFinishReasons = 5;

/// "stop", "length", "cancelled", "error" or "".
const char* finish_reason_name(FinishReason reason);

/// How often values of each size came.
struct Histogram {
  /// upper_bounds: ascending.
  explicit Histogram(std::vector<double> upper_bounds);
  void add(double value);

  std::vector<double> bounds;
  std::vector<int64_t> counts;  // [bounds + 1]: at most bounds[i] and above the bound before; then
                                // those above all
  double sum = 0.0;
};

/// One of the places behind the cache of the device where pages of computed tokens are kept.
struct CacheTierStats {
  int64_t num_pages = 0;       // now
  int64_t bytes = 0;           // now
  int64_t capacity_bytes = 0;  // 0: there is no such place
  int64_t num_hits = 0;        // pages that were brought back from there
  int64_t num_dropped = 0;     // pages that did not get there, since it was too slow
  int64_t num_failed = 0;      // pages that it could not take, or give back
};

/// A snapshot. What is not marked otherwise counts from when the engine was loaded.
struct EngineStats {
  EngineStats();

  bool failed = false;           // now: it answers nothing any more
  int64_t num_running = 0;       // now: sequences with pages
  int64_t num_waiting = 0;       // now: requests that have none yet, or had to give them back
  int64_t num_pages = 0;         // of the cache
  int64_t num_used_pages = 0;    // now: held by running sequences
  int64_t num_cached_pages = 0;  // now: of which it is known what they hold, in use or not

  CacheTierStats host_cache;  // in the host's memory
  CacheTierStats disk_cache;  // in a directory

  int64_t prompt_tokens = 0;  // of the requests whose prompts are computed
  int64_t cached_tokens = 0;  // of those, found computed by earlier requests
  int64_t generated_tokens = 0;
  int64_t num_preemptions = 0;                            // of requests that have ended
  std::array<int64_t, kNumFinishReasons> num_finished{};  // requests, by FinishReason

  Histogram first_token_s;  // from submit() to the first token
  Histogram inter_token_s;  // between the tokens of a request
  Histogram request_s;      // from submit() to the end
  Histogram queue_s;        // from submit() to the first step
  Histogram step_s;         // of the engine: planning, computing and handing out
};

}  // namespace trellis
