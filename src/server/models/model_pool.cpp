#include "server/models/model_pool.h"

#include "base/error.h"

#include <chrono>
#include <utility>

namespace trellis::server {

ModelPool::ModelPool(ModelPoolOptions options, ModelLoader& loader)
    : options_(std::move(options)),
      loader_(loader),
      catalog_(options_.directory, options_.default_model),
      schedule_(options_, loader, monitor_, catalog_) {}

ModelPool::~ModelPool() = default;

void ModelPool::add(
    std::vector<std::string> names, const std::string& directory, std::shared_ptr<Engine> engine
) {
  TRELLIS_CHECK(!names.empty(), "a model has a name");
  auto model = std::make_shared<Model>();
  model->names = std::move(names);
  model->directory = directory;
  if (engine != nullptr) {
    model->instance = std::make_shared<Instance>(model);
    model->instance->engine = std::move(engine);
    model->instance->load.state = ModelState::kReady;
    model->counters.num_loads = 1;
  }
  const Locked locked(monitor_);
  catalog_.add(std::move(model));
}

Result<std::shared_ptr<ModelPool::Model>> ModelPool::resolve(const std::optional<std::string>& name
) {
  {
    const Locked locked(monitor_);
    if (auto model = catalog_.find_or_default(name)) return model;
  }
  const std::vector<std::string> scanned = catalog_.scan();
  const Locked locked(monitor_);
  catalog_.merge(scanned);
  if (auto model = catalog_.find_or_default(name)) return model;
  return catalog_.not_found(name);
}

Result<ModelUse> ModelPool::use_of(const std::shared_ptr<Model>& model) {
  // Its folder may have gone since it was found.
  if (catalog_.find(model->name()) != model) return catalog_.not_found(model->name());
  if (model->instance == nullptr) {
    if (model->failure && ModelMonitor::Clock::now() < model->failed_at + options_.retry) {
      return *model->failure->error;
    }
    if (const auto error = schedule_.begin(model)) return *error;
  }
  ++model->instance->num_uses;
  model->last_use = std::chrono::system_clock::now();
  return ModelUse(*this, model->instance, next_watch_++);
}

void ModelPool::end_use(Instance& instance) {
  const Locked locked(monitor_);
  --instance.num_uses;
  instance.idle_since = ModelMonitor::Clock::now();
  instance.model->last_use = std::chrono::system_clock::now();
  // Whoever wanted it has gone before its turn came.
  if (instance.num_uses == 0 && !instance.is_kept && schedule_.is_waiting(instance)) {
    schedule_.cancel(instance);
  }
  monitor_.notify();
}

Result<ModelUse> ModelPool::use(const std::optional<std::string>& name) {
  const auto model = resolve(name);
  if (!model.ok()) return model.error();
  const Locked locked(monitor_);
  return use_of(model.value());
}

Result<ModelUse> ModelPool::load(const std::string& name, const ModelLoadOptions& options) {
  const auto found = resolve(name);
  if (!found.ok()) return found.error();
  const std::shared_ptr<Model>& model = found.value();
  const Locked locked(monitor_);
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
  const Locked locked(monitor_);
  use.emplace(use_of(model.value()));
  if (!use->ok()) return use->error();
  starting_ = model.value()->instance;
  starting_->is_kept = true;
  starting_->is_announced = true;
  return ModelWatch(*this, starting_, next_watch_++);
}

Result<std::optional<ModelWatch>> ModelPool::unload(const std::string& name, bool force) {
  const auto found = resolve(name);
  if (!found.ok()) return found.error();
  Model& model = *found.value();
  const Locked locked(monitor_);
  const auto watch = [this](std::shared_ptr<Instance> instance) {
    return std::optional<ModelWatch>(std::in_place, *this, std::move(instance), next_watch_++);
  };
  if (model.instance != nullptr && model.instance->load.state == ModelState::kLoading) {
    const std::shared_ptr<Instance> instance = model.instance;
    schedule_.cancel(*instance);
    if (!instance->load.is_settled()) return watch(instance);
  } else if (model.instance != nullptr) {
    schedule_.send_away(model);
  }
  model.failure.reset();
  if (model.leaving == nullptr) return std::optional<ModelWatch>();
  if (force && model.leaving->engine != nullptr) model.leaving->engine->stop();
  return watch(model.leaving);
}

std::vector<ModelStatus> ModelPool::list() {
  const std::vector<std::string> scanned = catalog_.scan();
  {
    const Locked locked(monitor_);
    catalog_.merge(scanned);
  }
  return statuses();
}

std::vector<ModelStatus> ModelPool::statuses() {
  const Locked locked(monitor_);
  std::vector<ModelStatus> statuses;
  for (const auto& model : catalog_.models()) statuses.push_back(status_of(*model));
  return statuses;
}

Result<ModelStatus> ModelPool::status(const std::string& name) {
  const auto model = resolve(name);
  if (!model.ok()) return model.error();
  const Locked locked(monitor_);
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
    const Locked locked(monitor_);
    const auto model = catalog_.find(name);
    if (model == nullptr) return std::nullopt;
    options = schedule_.engine_options(*model);
  }
  try {
    return loader_.summarize(options);
  } catch (const std::exception&) {
    return std::nullopt;  // a load says why
  }
}

std::optional<LoadState> ModelPool::starting() const {
  const Locked locked(monitor_);
  if (starting_ == nullptr) return std::nullopt;
  const LoadState& load = starting_->load;
  if (load.is_settled() && load.thrown == nullptr) return std::nullopt;
  return load;
}

void ModelPool::stop_loading() {
  const Locked locked(monitor_);
  schedule_.stop();
}

}  // namespace trellis::server
