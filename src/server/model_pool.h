// Owns the models of a server: knows which there are, loads one when it is first asked for, within
// a budget of memory, and unloads those that nobody uses. Requests hold a ModelUse meanwhile.
#pragma once

#include "base/result.h"
#include "server/model_use.h"
#include "trellis/model_loader.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace trellis::server {

struct ModelPoolOptions {
  EngineOptions engine;       // of every model, but for its directory
  std::string directory;      // whose folders are models; empty: none
  std::string default_model;  // where a request names none; empty: the one that was added, or
                              // the only one
  size_t memory_bytes = 0;    // of all loaded models together; 0: no limit
  std::chrono::milliseconds idle{0};      // after which an unused model is unloaded; 0: never
  std::chrono::milliseconds retry{5000};  // until a load that failed is tried again
  Engine::Progress on_progress;           // of every load, on the thread that loads
};

struct PooledModel;

/// Every method may be called from any thread, and none waits for a load. Two threads belong to it:
/// one loads, one model at a time; one destroys what is to go.
class ModelPool {
 public:
  using Clock = std::chrono::steady_clock;

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

  class Locked;
  using Model = PooledModel;
  using Instance = ModelInstance;
  using Lock = std::unique_lock<std::mutex>;

  // All with the lock held.
  void merge(const std::vector<std::string>& scanned);
  std::shared_ptr<Model> find(const std::string& name);
  std::shared_ptr<Model> default_model();
  ApiError unknown(const std::string& name) const;
  static ModelStatus status_of(const Model& model);
  Result<ModelUse> use_of(const std::shared_ptr<Model>& model);
  EngineOptions engine_options(const Model& model) const;
  /// The load ends with an error, and all who wait for it get that.
  void give_up(Instance& instance, ApiError error);
  /// Likewise, and is not tried again for a while.
  void fail(Instance& instance, ApiError error, std::exception_ptr thrown);
  /// The instance goes when its last use ends.
  void send_away(Model& model);
  static bool is_idle(const Instance& instance);
  /// Whether the instance may be loaded now. Sends idle models away where that makes room for it.
  bool has_room(const Instance& instance);
  /// The first that may be loaded now, or is to be planned first; null: there is none.
  std::shared_ptr<Instance> next_load();
  /// One to be destroyed; null: there is none.
  std::shared_ptr<Instance> next_gone();
  /// Sends away what was idle for long enough. When the next one will have been.
  std::optional<Clock::time_point> send_idle_away();
  /// Those that watch the instance are to be woken once the lock is released.
  void tell(const Instance& instance);

  // Without it.
  /// The model, for which the directory is read again where it is not known.
  Result<std::shared_ptr<Model>> resolve(const std::optional<std::string>& name);
  std::vector<std::string> scan() const;
  void end_use(Instance& instance);
  void load_models();
  void destroy_models();
  void plan(const std::shared_ptr<Instance>& instance);
  void load(const std::shared_ptr<Instance>& instance);
  void note_progress(Instance& instance, size_t done, size_t total);
  /// The error for clients, who need not know where the models lie.
  static ApiError load_error(const Model& model, const std::string& message);

  const ModelPoolOptions options_;
  ModelLoader& loader_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> wakes_;  // to be called without the lock
  std::vector<std::shared_ptr<Model>> models_;
  std::deque<std::shared_ptr<Instance>> queue_;  // to be loaded
  std::shared_ptr<Instance> loading_;            // under way
  std::shared_ptr<Instance> starting_;
  uint64_t next_watch_ = 0;
  bool stops_loading_ = false;
  bool is_closing_ = false;
  std::thread load_thread_;
  std::thread destroy_thread_;
};

}  // namespace trellis::server
