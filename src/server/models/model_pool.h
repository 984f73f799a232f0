// Owns the models of a server: knows which there are, loads one when it is first asked for, within
// a budget of memory, and unloads those that nobody uses. Requests hold a ModelUse meanwhile.
#pragma once

#include "base/result.h"
#include "server/models/model_catalog.h"
#include "server/models/model_monitor.h"
#include "server/models/model_pool_options.h"
#include "server/models/model_schedule.h"
#include "server/models/model_use.h"
#include "trellis/model_loader.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

/// Every method may be called from any thread, and none waits for a load.
class ModelPool {
 public:
  /// The loader must outlive the pool.
  ModelPool(ModelPoolOptions options, ModelLoader& loader);
  /// Gives up what is being loaded. Nobody may use a model any more.
  ~ModelPool();
  ModelPool(const ModelPool&) = delete;
  ModelPool& operator=(const ModelPool&) = delete;

  /// Adds a model that lies anywhere; it is the default unless the options name another. names: by
  /// which clients call it, at least one. engine: it is loaded already. Before the first request.
  void add(
      std::vector<std::string> names, const std::string& directory,
      std::shared_ptr<Engine> engine = nullptr
  );

  /// The model that a request names, or the default, which is loaded now unless it is. The use
  /// keeps it. 404 for one that is not there, 503 where it could not be loaded a moment ago.
  Result<ModelUse> use(const std::optional<std::string>& name);
  /// As use(), but what was begun goes on when the use ends. 409 where the model is loaded with
  /// other options.
  Result<ModelUse> load(const std::string& name, const ModelLoadOptions& options);
  /// Loads the model, and starting() tells of it.
  Result<ModelWatch> start(const std::string& name);
  /// Lets the model go when its last use ends; with force its requests end with an error, soon. A
  /// load that is under way is given up. None where there is nothing to wait for.
  Result<std::optional<ModelWatch>> unload(const std::string& name, bool force);

  /// Every model that is known.
  std::vector<ModelStatus> statuses();
  /// Likewise, once the directory has been read again.
  std::vector<ModelStatus> list();
  /// One of them; 404 where it is not there.
  Result<ModelStatus> status(const std::string& name);
  /// What the model's files tell; none where they are wrong.
  std::optional<ModelSummary> summarize(const std::string& name);
  /// The load that start() began, unless it has succeeded or was given up.
  std::optional<LoadState> starting() const;

  /// Ends the load that is under way, and refuses others: the server is to end.
  void stop_loading();

 private:
  friend class ModelWatch;
  friend class ModelUse;

  using Model = PooledModel;
  using Instance = ModelInstance;
  using Locked = ModelMonitor::Locked;

  // With the lock held.
  static ModelStatus status_of(const Model& model);
  Result<ModelUse> use_of(const std::shared_ptr<Model>& model);

  // Without it.
  /// The model, for which the directory is read again where it is not known.
  Result<std::shared_ptr<Model>> resolve(const std::optional<std::string>& name);
  void end_use(Instance& instance);

  const ModelPoolOptions options_;
  ModelLoader& loader_;
  mutable ModelMonitor monitor_;
  ModelCatalog catalog_;
  std::shared_ptr<Instance> starting_;
  uint64_t next_watch_ = 0;
  ModelSchedule schedule_;  // last: its threads end first
};

}  // namespace trellis::server
