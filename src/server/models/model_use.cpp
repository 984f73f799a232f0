#include "server/models/model_use.h"

#include "base/error.h"
#include "server/models/model_instance.h"
#include "server/models/model_pool.h"

#include <utility>

namespace trellis::server {

ModelWatch::ModelWatch(ModelPool& pool, std::shared_ptr<ModelInstance> instance, uint64_t id)
    : pool_(&pool), instance_(std::move(instance)), id_(id) {}

ModelWatch::~ModelWatch() {
  if (instance_ == nullptr) return;
  const ModelMonitor::Locked locked(pool_->monitor_);
  instance_->wakes.erase(id_);
}

void ModelWatch::on_change(std::function<void()> wake) {
  {
    const ModelMonitor::Locked locked(pool_->monitor_);
    instance_->wakes[id_] = wake;
  }
  wake();
}

LoadState ModelWatch::state() const {
  const ModelMonitor::Locked locked(pool_->monitor_);
  return instance_->load;
}

ModelUse::~ModelUse() {
  if (holds()) pool().end_use(instance());
}

Engine& ModelUse::engine() const {
  TRELLIS_CHECK(instance().engine != nullptr, "a model that is used has been loaded");
  return *instance().engine;
}

const std::string& ModelUse::model_name() const {
  return instance().model->name();
}

}  // namespace trellis::server
