// What the pool of models tells about them: plain data, as it is at the moment of asking.
#pragma once

#include "base/result.h"
#include "trellis/model_loader.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

/// kLoading: also while it waits for its turn, or for memory. kUnloading: its last requests run.
enum class ModelState : uint8_t { kAvailable, kLoading, kReady, kUnloading, kFailed };

/// "available", "loading", "ready", "unloading" or "failed".
const char* model_state_name(ModelState state);

/// How far one load of a model is.
struct LoadState {
  ModelState state = ModelState::kLoading;  // kAvailable: it has been unloaded since
  size_t done_bytes = 0;
  size_t total_bytes = 0;         // 0: it has not begun
  std::optional<ApiError> error;  // kFailed
  std::exception_ptr thrown;      // by the loader, where that is why

  bool is_settled() const { return state != ModelState::kLoading; }
  /// From 0 to 1.
  double progress() const;
};

/// What may differ from model to model; the rest is the pool's.
struct ModelLoadOptions {
  std::optional<int64_t> context_tokens;
  std::optional<int64_t> cache_tokens;
  std::optional<std::string> cache_type;
  std::optional<int> max_sequences;
  std::optional<int> max_step_tokens;

  bool operator==(const ModelLoadOptions&) const = default;
};

/// Of one model, since the server was started.
struct ModelCounters {
  int64_t num_loads = 0;
  int64_t num_failed_loads = 0;
  int64_t num_unloads = 0;
  double load_s = 0.0;  // of all loads that succeeded
};

struct ModelStatus {
  std::vector<std::string> names;    // by which clients call it; the first is its own
  LoadState load;                    // kFailed: of the last load
  std::optional<ModelInfo> info;     // while it is loaded
  std::optional<EngineStats> stats;  // while it is loaded
  size_t memory_bytes = 0;           // that it takes, or is to take; 0: none
  int64_t num_uses = 0;              // requests that run, or wait for it
  std::optional<int64_t> last_use;   // seconds since 1970
  ModelCounters counters;
};

}  // namespace trellis::server
