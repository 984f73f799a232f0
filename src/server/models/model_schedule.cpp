#include "server/models/model_schedule.h"

#include "base/log.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

namespace trellis::server {
namespace {

namespace fs = std::filesystem;

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

/// The error for clients, who need not know where the models lie.
ApiError load_error(const PooledModel& model, const std::string& message) {
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

bool is_idle(const ModelInstance& instance) {
  return instance.load.state == ModelState::kReady && instance.num_uses == 0;
}

}  // namespace

ModelSchedule::ModelSchedule(
    const ModelPoolOptions& options, ModelLoader& loader, ModelMonitor& monitor,
    const ModelCatalog& catalog
)
    : options_(options), loader_(loader), monitor_(monitor), catalog_(catalog) {
  load_thread_ = std::thread([this] { load_models(); });
  destroy_thread_ = std::thread([this] { destroy_models(); });
}

ModelSchedule::~ModelSchedule() {
  {
    const Locked locked(monitor_);
    stop();
    is_closing_ = true;
    monitor_.notify();
  }
  load_thread_.join();
  destroy_thread_.join();
}

std::optional<ApiError> ModelSchedule::begin(const std::shared_ptr<Model>& model) {
  if (is_stopped_) return shutting_down();
  model->instance = std::make_shared<Instance>(model);
  queue_.push_back(model->instance);
  monitor_.notify();
  return std::nullopt;
}

void ModelSchedule::cancel(Instance& instance) {
  if (loading_.get() == &instance) {
    instance.is_given_up = true;  // its thread sees it
  } else {
    give_up(instance, unloaded(instance.model->name()));
  }
}

bool ModelSchedule::is_waiting(const Instance& instance) const {
  return std::any_of(queue_.begin(), queue_.end(), [&](const auto& queued) {
    return queued.get() == &instance;
  });
}

void ModelSchedule::send_away(Model& model) {
  model.leaving = std::exchange(model.instance, nullptr);
  model.leaving->load.state = ModelState::kUnloading;
  monitor_.tell(*model.leaving);
}

void ModelSchedule::stop() {
  is_stopped_ = true;
  while (!queue_.empty()) give_up(*queue_.front(), shutting_down());
  if (loading_ != nullptr) loading_->is_given_up = true;
}

EngineOptions ModelSchedule::engine_options(const Model& model) const {
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

void ModelSchedule::give_up(Instance& instance, ApiError error) {
  instance.load.state = ModelState::kFailed;
  instance.load.error = std::move(error);
  monitor_.tell(instance);
  // The last two steps may end its life.
  instance.model->instance.reset();
  std::erase_if(queue_, [&](const auto& queued) { return queued.get() == &instance; });
}

void ModelSchedule::fail(Instance& instance, ApiError error, std::exception_ptr thrown) {
  if (!instance.is_announced) log_warn("{}", error.message);
  Model& model = *instance.model;
  ++model.counters.num_failed_loads;
  model.failed_at = Clock::now();
  instance.load.thrown = std::move(thrown);
  instance.load.state = ModelState::kFailed;
  instance.load.error = error;
  model.failure = instance.load;
  give_up(instance, std::move(error));
}

bool ModelSchedule::has_room(const Instance& instance) {
  if (options_.memory_bytes == 0) return true;
  size_t staying = *instance.need;  // with the instance
  size_t going = 0;
  std::vector<Model*> idle;
  for (const auto& model : catalog_.models()) {
    if (model->leaving != nullptr) going += model->leaving->need.value_or(0);
    if (model->instance == nullptr || model->instance.get() == &instance) continue;
    if (is_idle(*model->instance)) idle.push_back(model.get());
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

std::shared_ptr<ModelInstance> ModelSchedule::next_load() {
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

void ModelSchedule::load_models() {
  while (true) {
    std::shared_ptr<Instance> instance;
    {
      Locked locked(monitor_);
      while (!is_closing_ && (instance = next_load()) == nullptr) locked.wait();
      if (is_closing_) return;
    }
    if (instance->need) {
      load(*instance);
    } else {
      plan(*instance);
    }
  }
}

void ModelSchedule::plan(Instance& instance) {
  EngineOptions options;
  {
    const Locked locked(monitor_);
    options = engine_options(*instance.model);
  }
  size_t need = 0;
  std::optional<ApiError> error;
  std::exception_ptr thrown;
  const size_t most = options_.memory_bytes;
  try {
    need = loader_.plan(options, 0);
    if (most > 0 && need > most) {
      error = load_error(*instance.model, "");
      error->code = "insufficient_memory";
      need = loader_.plan(options, most);
      error.reset();
    }
  } catch (const std::exception& failure) {
    const std::string code = error ? error->code : "model_load_failed";
    error = load_error(*instance.model, failure.what());
    error->code = code;
    thrown = std::current_exception();
  }
  const Locked locked(monitor_);
  if (instance.load.is_settled()) return;  // it was given up meanwhile
  if (error) return fail(instance, *error, thrown);
  instance.options = options;
  instance.need = need;
}

void ModelSchedule::note_progress(Instance& instance, size_t done, size_t total) {
  {
    const Locked locked(monitor_);
    if (instance.is_given_up) throw LoadGivenUp();
    const auto step_of = [&](size_t bytes) {
      return total == 0 ? 0 : bytes * kProgressSteps / total;
    };
    const bool is_shown =
        instance.load.total_bytes != total || step_of(instance.load.done_bytes) != step_of(done);
    instance.load.done_bytes = done;
    instance.load.total_bytes = total;
    if (is_shown) monitor_.tell(instance);
  }
  if (options_.on_progress) options_.on_progress(done, total);
}

void ModelSchedule::load(Instance& instance) {
  const Clock::time_point begin = Clock::now();
  std::shared_ptr<Engine> engine;
  std::exception_ptr thrown;
  std::string message;
  try {
    engine = loader_.load(instance.options, [&](size_t done, size_t total) {
      note_progress(instance, done, total);
    });
  } catch (const LoadGivenUp&) {
    log_info("the load of model={} was given up", instance.model->name());
  } catch (const std::exception& error) {
    thrown = std::current_exception();
    message = error.what();
  }
  const Locked locked(monitor_);
  loading_.reset();
  Model& model = *instance.model;
  if (thrown != nullptr) {
    fail(instance, load_error(model, message), thrown);
  } else if (engine == nullptr || is_stopped_) {
    give_up(instance, is_stopped_ ? shutting_down() : unloaded(model.name()));
  } else {
    model.failure.reset();
    ++model.counters.num_loads;
    model.counters.load_s += std::chrono::duration<double>(Clock::now() - begin).count();
    instance.engine = std::move(engine);
    instance.load.state = ModelState::kReady;
    instance.idle_since = Clock::now();
    monitor_.tell(instance);
    if (instance.is_given_up) send_away(model);
  }
}

std::shared_ptr<ModelInstance> ModelSchedule::next_gone() const {
  for (const auto& model : catalog_.models()) {
    if (model->leaving != nullptr && model->leaving->num_uses == 0) return model->leaving;
  }
  return nullptr;
}

std::optional<ModelSchedule::Clock::time_point> ModelSchedule::send_idle_away() {
  if (options_.idle.count() == 0) return std::nullopt;
  std::optional<Clock::time_point> next;
  for (const auto& model : catalog_.models()) {
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

void ModelSchedule::destroy_models() {
  while (true) {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<Engine> engine;
    {
      Locked locked(monitor_);
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
    const Locked locked(monitor_);
    Model& model = *instance->model;
    model.leaving.reset();
    ++model.counters.num_unloads;
    instance->load = {};
    instance->load.state = ModelState::kAvailable;
    monitor_.tell(*instance);
    log_info("unloaded model={}", model.name());
  }
}

}  // namespace trellis::server
