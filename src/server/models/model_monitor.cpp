#include "server/models/model_monitor.h"

#include "server/models/model_instance.h"

#include <utility>

namespace trellis::server {

void ModelMonitor::tell(const ModelInstance& instance) {
  for (const auto& [id, wake] : instance.wakes) wakes_.push_back(wake);
  notify();
}

void ModelMonitor::Locked::wait(std::optional<Clock::time_point> until) {
  if (!monitor_.wakes_.empty()) {
    release();
    lock_.lock();
  } else if (until) {
    monitor_.changed_.wait_until(lock_, *until);
  } else {
    monitor_.changed_.wait(lock_);
  }
}

void ModelMonitor::Locked::release() {
  const std::vector<std::function<void()>> wakes = std::exchange(monitor_.wakes_, {});
  lock_.unlock();
  for (const auto& wake : wakes) wake();
}

}  // namespace trellis::server
