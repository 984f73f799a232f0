// What a pool keeps of its models. Inside src/server/models only; the pool's lock guards all of it.
#pragma once

#include "server/models/model_state.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace trellis::server {

struct ModelInstance;

/// A model, loaded or not.
struct PooledModel {
  const std::string& name() const { return names.front(); }

  std::vector<std::string> names;
  std::string directory;
  bool is_scanned = false;  // found in the pool's directory, and forgotten when it is gone there
  ModelLoadOptions options;
  std::shared_ptr<ModelInstance> instance;  // null: neither loaded nor about to be
  std::shared_ptr<ModelInstance> leaving;   // the one before, while its last requests run
  std::optional<LoadState> failure;         // of the last load
  std::chrono::steady_clock::time_point failed_at;
  std::optional<std::chrono::system_clock::time_point> last_use;
  ModelCounters counters;
};

/// One load of a model, and the engine that came of it.
struct ModelInstance {
  explicit ModelInstance(std::shared_ptr<PooledModel> loaded_model)
      : model(std::move(loaded_model)) {}

  const std::shared_ptr<PooledModel> model;
  EngineOptions options;       // once it is planned
  std::optional<size_t> need;  // bytes; none: it is not planned yet
  LoadState load;
  bool is_kept = false;            // it is loaded even when nobody waits for it any more
  bool is_announced = false;       // whoever began the load says why it failed
  bool is_given_up = false;        // the load is to end
  std::shared_ptr<Engine> engine;  // from kReady on; taken away only where num_uses is 0
  int64_t num_uses = 0;
  std::chrono::steady_clock::time_point idle_since;
  std::map<uint64_t, std::function<void()>> wakes;  // by the watch's id
};

}  // namespace trellis::server
