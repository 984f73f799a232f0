// Decides which model is loaded when, and which has to go for it, and does both: one thread loads,
// one model at a time, another destroys what is to go. Inside src/server/models only.
#pragma once

#include "base/result.h"
#include "server/models/model_catalog.h"
#include "server/models/model_instance.h"
#include "server/models/model_monitor.h"
#include "server/models/model_pool_options.h"

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace trellis::server {

/// A load waits until it is planned, the model's last instance has gone, and what is loaded leaves
/// room for it. The first that need not wait any more is next.
class ModelSchedule {
 public:
  using Clock = ModelMonitor::Clock;
  using Model = PooledModel;
  using Instance = ModelInstance;
  using Locked = ModelMonitor::Locked;

  /// All must outlive the schedule. The monitor's lock guards the catalog.
  ModelSchedule(
      const ModelPoolOptions& options, ModelLoader& loader, ModelMonitor& monitor,
      const ModelCatalog& catalog
  );
  /// Gives up what is being loaded, and waits for both threads.
  ~ModelSchedule();
  ModelSchedule(const ModelSchedule&) = delete;
  ModelSchedule& operator=(const ModelSchedule&) = delete;

  // All with the lock held.
  /// A new load of the model, which has none. The error where there are to be no more loads.
  std::optional<ApiError> begin(const std::shared_ptr<Model>& model);
  /// Gives the load up: at once where it still waits, else soon.
  void cancel(Instance& instance);
  bool is_waiting(const Instance& instance) const;
  /// The model's instance goes when its last use ends.
  void send_away(Model& model);
  /// Ends the load that is under way, and refuses others.
  void stop();

  /// With what the model is loaded. The model's own options need the lock.
  EngineOptions engine_options(const Model& model) const;

 private:
  // With the lock held.
  /// The load ends with an error, and all who wait for it get that.
  void give_up(Instance& instance, ApiError error);
  /// Likewise, and is not tried again for a while.
  void fail(Instance& instance, ApiError error, std::exception_ptr thrown);
  /// Whether the instance may be loaded now. Sends idle models away where that makes room for it.
  bool has_room(const Instance& instance);
  /// The first that may be loaded now, or is to be planned first; null: there is none.
  std::shared_ptr<Instance> next_load();
  /// One to be destroyed; null: there is none.
  std::shared_ptr<Instance> next_gone() const;
  /// Sends away what was idle for long enough. When the next one will have been.
  std::optional<Clock::time_point> send_idle_away();

  // Without it.
  void load_models();
  void destroy_models();
  void plan(Instance& instance);
  void load(Instance& instance);
  void note_progress(Instance& instance, size_t done, size_t total);

  const ModelPoolOptions& options_;
  ModelLoader& loader_;
  ModelMonitor& monitor_;
  const ModelCatalog& catalog_;
  std::deque<std::shared_ptr<Instance>> queue_;  // to be loaded
  std::shared_ptr<Instance> loading_;            // under way
  bool is_stopped_ = false;
  bool is_closing_ = false;
  std::thread load_thread_;
  std::thread destroy_thread_;
};

}  // namespace trellis::server
