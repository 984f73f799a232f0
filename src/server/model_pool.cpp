#include "server/model_pool.h"

#include "base/error.h"
#include "base/log.h"
#include "server/model_directory.h"
#include "server/model_instance.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace trellis::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostShownName = 200;
/// Watchers are woken when so much more of the weights is there.
constexpr size_t kProgressSteps = 100;

/// Comes out of a load that is given up.
struct LoadGivenUp {};

ApiError shutting_down() {
  return {503, "shutting_down", "the server is shutting down; ask another one", ""};
}

ApiError unloaded(const std::string& name) {
  return {
      503, "model_unloaded",
      fmt::format("the model \"{}\" was unloaded while it was being loaded", name), "model"
  };
}

/// One path by one name, as far as it is there.
fs::path canonical(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(path, ignored);
}

}  // namespace

/// Holds the pool's lock, and calls what has to be woken once it is released.
class ModelPool::Locked {
 public:
  explicit Locked(ModelPool& pool) : pool_(pool), lock_(pool.mutex_) {}
  ~Locked() { release(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

  /// Returns when something may have changed, at `until` at the latest.
  void wait(std::optional<Clock::time_point> until = std::nullopt) {
    if (!pool_.wakes_.empty()) {
      release();
      lock_.lock();
    } else if (until) {
      pool_.changed_.wait_until(lock_, *until);
    } else {
      pool_.changed_.wait(lock_);
    }
  }

 private:
  void release() {
    const std::vector<std::function<void()>> wakes = std::exchange(pool_.wakes_, {});
    lock_.unlock();
    for (const auto& wake : wakes) wake();
  }

  ModelPool& pool_;
  Lock lock_;
};

ModelPool::ModelPool(ModelPoolOptions options, ModelLoader& loader)
    : options_(std::move(options)), loader_(loader) {
  if (!options_.directory.empty()) merge(scan_models(options_.directory));
  load_thread_ = std::thread([this] { load_models(); });
  destroy_thread_ = std::thread([this] { destroy_models(); });
}

ModelPool::~ModelPool() {
  stop_loading();
  {
    const Locked locked(*this);
    is_closing_ = true;
    changed_.notify_all();
  }
  load_thread_.join();
  destroy_thread_.join();
  for (const auto& model : models_) {  // they refer to each other
    model->instance.reset();
    model->leaving.reset();
  }
}

void ModelPool::add(
    std::vector<std::string> names, const std::string& directory, std::shared_ptr<Engine> engine
) {
  TRELLIS_CHECK(!names.empty(), "a model has a name");
  auto model = std::make_shared<Model>();
  model->names = std::move(names);
  model->directory = directory;
  const Locked locked(*this);
  std::erase_if(models_, [&](const auto& other) {
    return canonical(other->directory) == canonical(directory) ||
           std::find(model->names.begin(), model->names.end(), other->name()) != model->names.end();
  });
  if (engine != nullptr) {
    model->instance = std::make_shared<Instance>(model);
    model->instance->engine = std::move(engine);
    model->instance->load.state = ModelState::kReady;
    model->counters.num_loads = 1;
  }
  models_.insert(models_.begin(), std::move(model));
}

std::vector<std::string> ModelPool::scan() const {
  if (options_.directory.empty()) return {};
  try {
    return scan_models(options_.directory);
  } catch (const UserError& error) {
    log_warn("{}", error.what());
    return {};
  }
}

void ModelPool::merge(const std::vector<std::string>& scanned) {
  std::erase_if(models_, [&](const auto& model) {
    return model->is_scanned && model->instance == nullptr && model->leaving == nullptr &&
           !std::binary_search(scanned.begin(), scanned.end(), model->name());
  });
  for (const std::string& name : scanned) {
    const std::string directory = (fs::path(options_.directory) / name).string();
    const bool is_known = std::any_of(models_.begin(), models_.end(), [&](const auto& model) {
      const auto& names = model->names;
      return std::find(names.begin(), names.end(), name) != names.end() ||
             (!model->is_scanned && canonical(model->directory) == canonical(directory));
    });
    if (is_known) continue;
    auto model = std::make_shared<Model>();
    model->names = {name};
    model->directory = directory;
    model->is_scanned = true;
    models_.push_back(std::move(model));
  }
}

std::shared_ptr<ModelPool::Model> ModelPool::find(const std::string& name) {
  for (const auto& model : models_) {
    const auto& names = model->names;
    if (std::find(names.begin(), names.end(), name) != names.end()) return model;
  }
  return nullptr;
}

std::shared_ptr<ModelPool::Model> ModelPool::default_model() {
  if (!options_.default_model.empty()) return find(options_.default_model);
  if (models_.size() == 1 || (!models_.empty() && !models_.front()->is_scanned)) {
    return models_.front();
  }
  return nullptr;
}

ApiError ModelPool::unknown(const std::string& name) const {
  const std::string example =
      models_.empty() ? "" : fmt::format(", for example \"{}\"", models_.front()->name());
  return {
      404, "model_not_found",
      fmt::format(
          "there is no model \"{}\" here; /v1/models lists what is served{}",
          name.substr(0, kMostShownName), example
      ),
      "model"
  };
}

Result<std::shared_ptr<ModelPool::Model>> ModelPool::resolve(const std::optional<std::string>& name
) {
  const bool is_default = !name || name->empty();
  const auto look = [&] { return is_default ? default_model() : find(*name); };
  {
    const Locked locked(*this);
    if (auto model = look()) return model;
  }
  const std::vector<std::string> scanned = scan();
  const Locked locked(*this);
  merge(scanned);
  if (auto model = look()) return model;
  if (!is_default) return unknown(*name);
  if (models_.empty()) return unknown("");
  return ApiError{
      400, "missing_required_parameter",
      fmt::format(
          "several models are served here; name one of /v1/models, for example \"{}\"",
          models_.front()->name()
      ),
      "model"
  };
}

Result<ModelUse> ModelPool::use_of(const std::shared_ptr<Model>& model) {
  // Its folder may have gone since it was found.
  if (find(model->name()) != model) return unknown(model->name());
  if (model->instance == nullptr) {
    if (stops_loading_) return shutting_down();
    if (model->failure && Clock::now() < model->failed_at + options_.retry) {
      return *model->failure->error;
    }
    model->instance = std::make_shared<Instance>(model);
    queue_.push_back(model->instance);
    changed_.notify_all();
  }
  ++model->instance->num_uses;
  model->last_use = std::chrono::system_clock::now();
  return ModelUse(*this, model->instance, next_watch_++);
}

void ModelPool::end_use(Instance& instance) {
  const Locked locked(*this);
  --instance.num_uses;
  instance.idle_since = Clock::now();
  instance.model->last_use = std::chrono::system_clock::now();
  const bool is_queued = std::any_of(queue_.begin(), queue_.end(), [&](const auto& queued) {
    return queued.get() == &instance;
  });
  // Whoever wanted it has gone before its turn came.
  if (is_queued && instance.num_uses == 0 && !instance.is_kept) {
    give_up(instance, unloaded(instance.model->name()));
  }
  changed_.notify_all();
}

Result<ModelUse> ModelPool::use(const std::optional<std::string>& name) {
  const auto model = resolve(name);
  if (!model.ok()) return model.error();
  const Locked locked(*this);
  return use_of(model.value());
}

Result<ModelUse> ModelPool::load(const std::string& name, const ModelLoadOptions& options) {
  const auto found = resolve(name);
  if (!found.ok()) return found.error();
  const std::shared_ptr<Model>& model = found.value();
  const Locked locked(*this);
  if (model->instance == nullptr) {
    model->options = options;
    model->failure.reset();  // an administrator need not wait
  } else if (options != ModelLoadOptions() && options != model->options) {
    return ApiError{
        409, "model_is_loaded",
        fmt::format(
            "the model \"{}\" is loaded with other options; unload it first", model->name()
        ),
        "model"
    };
  }
  Result<ModelUse> use = use_of(model);
  if (use.ok()) model->instance->is_kept = true;
  return use;
}

Result<ModelWatch> ModelPool::start(const std::string& name) {
  const auto model = resolve(name);
  if (!model.ok()) return model.error();
  std::optional<Result<ModelUse>> use;  // ends without the lock
  const Locked locked(*this);
  use.emplace(use_of(model.value()));
  if (!use->ok()) return use->error();
  starting_ = model.value()->instance;
  starting_->is_kept = true;
  return ModelWatch(*this, starting_, next_watch_++);
}

Result<std::optional<ModelWatch>> ModelPool::unload(const std::string& name, bool force) {
  const auto found = resolve(name);
  if (!found.ok()) return found.error();
  Model& model = *found.value();
  const Locked locked(*this);
  const auto watch = [this](std::shared_ptr<Instance> instance) {
    return std::optional<ModelWatch>(std::in_place, *this, std::move(instance), next_watch_++);
  };
  if (model.instance != nullptr && model.instance->load.state == ModelState::kLoading) {
    if (loading_ == model.instance) {
      loading_->is_given_up = true;  // its thread sees it
      return watch(loading_);
    }
    give_up(*model.instance, unloaded(model.name()));
  } else if (model.instance != nullptr) {
    send_away(model);
  }
  model.failure.reset();
  if (model.leaving == nullptr) return std::optional<ModelWatch>();
  if (force && model.leaving->engine != nullptr) model.leaving->engine->stop();
  return watch(model.leaving);
}

std::vector<ModelStatus> ModelPool::list() {
  const std::vector<std::string> scanned = scan();
  {
    const Locked locked(*this);
    merge(scanned);
  }
  return statuses();
}

std::vector<ModelStatus> ModelPool::statuses() {
  const Locked locked(*this);
  std::vector<ModelStatus> statuses;
  for (const auto& model : models_) statuses.push_back(status_of(*model));
  return statuses;
}

Result<ModelStatus> ModelPool::status(const std::string& name) {
  const auto model = resolve(name);
  if (!model.ok()) return model.error();
  const Locked locked(*this);
  return status_of(*model.value());
}

ModelStatus ModelPool::status_of(const Model& model) {
  ModelStatus status;
  status.names = model.names;
  status.counters = model.counters;
  if (model.last_use) {
    status.last_use =
        std::chrono::duration_cast<std::chrono::seconds>(model.last_use->time_since_epoch())
            .count();
  }
  const auto& instance = model.instance != nullptr ? model.instance : model.leaving;
  if (instance == nullptr) {
    status.load.state = ModelState::kAvailable;
    if (model.failure) status.load = *model.failure;
    return status;
  }
  status.load = instance->load;
  status.memory_bytes = instance->need.value_or(0);
  status.num_uses = instance->num_uses;
  if (instance->engine != nullptr) {
    status.info = instance->engine->info();
    status.stats = instance->engine->stats();
  }
  return status;
}

std::optional<ModelSummary> ModelPool::summarize(const std::string& name) {
  EngineOptions options;
  {
    const Locked locked(*this);
    const auto model = find(name);
    if (model == nullptr) return std::nullopt;
    options = engine_options(*model);
  }
  try {
    return loader_.summarize(options);
  } catch (const std::exception&) {
    return std::nullopt;  // a load says why
  }
}

std::optional<LoadState> ModelPool::starting() const {
  const Lock lock(mutex_);
  if (starting_ == nullptr) return std::nullopt;
  const LoadState& load = starting_->load;
  if (load.is_settled() && load.thrown == nullptr) return std::nullopt;
  return load;
}

void ModelPool::stop_loading() {
  const Locked locked(*this);
  stops_loading_ = true;
  while (!queue_.empty()) give_up(*queue_.front(), shutting_down());
  if (loading_ != nullptr) loading_->is_given_up = true;
}

EngineOptions ModelPool::engine_options(const Model& model) const {
  EngineOptions options = options_.engine;
  options.model_directory = model.directory;
  options.context_tokens = model.options.context_tokens.value_or(options.context_tokens);
  options.cache_tokens = model.options.cache_tokens.value_or(options.cache_tokens);
  options.cache_type = model.options.cache_type.value_or(options.cache_type);
  options.max_sequences = model.options.max_sequences.value_or(options.max_sequences);
  options.max_step_tokens = model.options.max_step_tokens.value_or(options.max_step_tokens);
  // Pages on a disk are of one model.
  if (!options.cache_directory.empty() && !options_.directory.empty()) {
    options.cache_directory = (fs::path(options.cache_directory) / model.name()).string();
  }
  return options;
}

ApiError ModelPool::load_error(const Model& model, const std::string& message) {
  const std::string parent = (fs::path(model.directory).parent_path() / "").string();
  std::string shown = message;
  while (!parent.empty() && shown.find(parent) != std::string::npos) {
    shown.erase(shown.find(parent), parent.size());
  }
  return {
      503, "model_load_failed",
      fmt::format("the model \"{}\" could not be loaded: {}", model.name(), shown), "model"
  };
}

void ModelPool::tell(const Instance& instance) {
  for (const auto& [id, wake] : instance.wakes) wakes_.push_back(wake);
  changed_.notify_all();
}

void ModelPool::give_up(Instance& instance, ApiError error) {
  instance.load.state = ModelState::kFailed;
  instance.load.error = std::move(error);
  tell(instance);
  // The last two steps may end its life.
  instance.model->instance.reset();
  std::erase_if(queue_, [&](const auto& queued) { return queued.get() == &instance; });
}

void ModelPool::fail(Instance& instance, ApiError error, std::exception_ptr thrown) {
  if (&instance != starting_.get())
    log_warn("{}", error.message);  // else whoever started it says so
  Model& model = *instance.model;
  ++model.counters.num_failed_loads;
  model.failed_at = Clock::now();
  instance.load.thrown = std::move(thrown);
  instance.load.state = ModelState::kFailed;
  instance.load.error = error;
  model.failure = instance.load;
  give_up(instance, std::move(error));
}

void ModelPool::send_away(Model& model) {
  model.leaving = std::exchange(model.instance, nullptr);
  model.leaving->load.state = ModelState::kUnloading;
  tell(*model.leaving);
}

bool ModelPool::is_idle(const Instance& instance) {
  return instance.load.state == ModelState::kReady && instance.num_uses == 0;
}

bool ModelPool::has_room(const Instance& instance) {
  if (options_.memory_bytes == 0) return true;
  size_t staying = *instance.need;  // with the instance
  size_t going = 0;
  std::vector<Model*> idle;
  for (const auto& model : models_) {
    if (model->leaving != nullptr) going += model->leaving->need.value_or(0);
    if (model->instance == nullptr || model->instance.get() == &instance) continue;
    if (is_idle(*model->instance)) {
      idle.push_back(model.get());
    }
    if (model->instance->load.state == ModelState::kReady) {
      staying += model->instance->need.value_or(0);
    }
  }
  if (staying + going <= options_.memory_bytes) return true;
  std::sort(idle.begin(), idle.end(), [](const Model* left, const Model* right) {
    return left->instance->idle_since < right->instance->idle_since;
  });
  size_t num_sent = 0;
  size_t needed = staying;
  while (needed > options_.memory_bytes && num_sent < idle.size()) {
    needed -= idle[num_sent++]->instance->need.value_or(0);
  }
  if (needed > options_.memory_bytes) return false;  // until one of the busy ones is idle
  for (size_t i = 0; i < num_sent; ++i) {
    log_info("unloading model={} for another", idle[i]->name());
    send_away(*idle[i]);
  }
  return false;  // until they are gone
}

std::shared_ptr<ModelPool::Instance> ModelPool::next_load() {
  for (const auto& instance : queue_) {
    if (!instance->need) return instance;
  }
  for (const auto& instance : queue_) {
    if (instance->model->leaving != nullptr || !has_room(*instance)) continue;
    loading_ = instance;
    std::erase(queue_, loading_);
    return loading_;
  }
  return nullptr;
}

void ModelPool::load_models() {
  while (true) {
    std::shared_ptr<Instance> instance;
    {
      Locked locked(*this);
      while (!is_closing_ && (instance = next_load()) == nullptr) locked.wait();
      if (is_closing_) return;
    }
    if (instance->need) {
      load(instance);
    } else {
      plan(instance);
    }
  }
}

void ModelPool::plan(const std::shared_ptr<Instance>& instance) {
  EngineOptions options;
  {
    const Locked locked(*this);
    options = engine_options(*instance->model);
  }
  size_t need = 0;
  std::optional<ApiError> error;
  std::exception_ptr thrown;
  const size_t most = options_.memory_bytes;
  try {
    need = loader_.plan(options, 0);
    if (most > 0 && need > most) {
      error = load_error(*instance->model, "");
      error->code = "insufficient_memory";
      need = loader_.plan(options, most);
      error.reset();
    }
  } catch (const std::exception& failure) {
    const std::string code = error ? error->code : "model_load_failed";
    error = load_error(*instance->model, failure.what());
    error->code = code;
    thrown = std::current_exception();
  }
  const Locked locked(*this);
  if (instance->load.is_settled()) return;  // it was given up meanwhile
  if (error) return fail(*instance, *error, thrown);
  instance->options = options;
  instance->need = need;
}

void ModelPool::note_progress(Instance& instance, size_t done, size_t total) {
  {
    const Locked locked(*this);
    if (instance.is_given_up) throw LoadGivenUp();
    const auto step_of = [&](size_t bytes) {
      return total == 0 ? 0 : bytes * kProgressSteps / total;
    };
    const bool is_shown =
        instance.load.total_bytes != total || step_of(instance.load.done_bytes) != step_of(done);
    instance.load.done_bytes = done;
    instance.load.total_bytes = total;
    if (is_shown) tell(instance);
  }
  if (options_.on_progress) options_.on_progress(done, total);
}

void ModelPool::load(const std::shared_ptr<Instance>& instance) {
  const Clock::time_point begin = Clock::now();
  std::shared_ptr<Engine> engine;
  std::exception_ptr thrown;
  std::string message;
  try {
    engine = loader_.load(instance->options, [&](size_t done, size_t total) {
      note_progress(*instance, done, total);
    });
  } catch (const LoadGivenUp&) {
    log_info("the load of model={} was given up", instance->model->name());
  } catch (const std::exception& error) {
    thrown = std::current_exception();
    message = error.what();
  }
  const Locked locked(*this);
  loading_.reset();
  Model& model = *instance->model;
  if (thrown != nullptr) {
    fail(*instance, load_error(model, message), thrown);
  } else if (engine == nullptr || stops_loading_) {
    give_up(*instance, stops_loading_ ? shutting_down() : unloaded(model.name()));
  } else {
    model.failure.reset();
    ++model.counters.num_loads;
    model.counters.load_s += std::chrono::duration<double>(Clock::now() - begin).count();
    instance->engine = std::move(engine);
    instance->load.state = ModelState::kReady;
    instance->idle_since = Clock::now();
    tell(*instance);
    if (instance->is_given_up) send_away(model);
  }
}

std::shared_ptr<ModelPool::Instance> ModelPool::next_gone() {
  for (const auto& model : models_) {
    if (model->leaving != nullptr && model->leaving->num_uses == 0) return model->leaving;
  }
  return nullptr;
}

std::optional<ModelPool::Clock::time_point> ModelPool::send_idle_away() {
  if (options_.idle.count() == 0) return std::nullopt;
  std::optional<Clock::time_point> next;
  for (const auto& model : models_) {
    if (model->instance == nullptr || !is_idle(*model->instance)) continue;
    const Clock::time_point due = model->instance->idle_since + options_.idle;
    if (due <= Clock::now()) {
      log_info("unloading model={} which nobody used", model->name());
      send_away(*model);
    } else if (!next || due < *next) {
      next = due;
    }
  }
  return next;
}

void ModelPool::destroy_models() {
  while (true) {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<Engine> engine;
    {
      Locked locked(*this);
      while (!is_closing_) {
        const auto next = send_idle_away();
        instance = next_gone();
        if (instance != nullptr) break;
        locked.wait(next);
      }
      if (is_closing_) return;
      engine = std::move(instance->engine);
    }
    engine.reset();  // may take its time: pages are written to a disk
    const Locked locked(*this);
    Model& model = *instance->model;
    model.leaving.reset();
    ++model.counters.num_unloads;
    instance->load = {};
    instance->load.state = ModelState::kAvailable;
    tell(*instance);
    log_info("unloaded model={}", model.name());
  }
}

}  // namespace trellis::server
