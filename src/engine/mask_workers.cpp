#include "engine/mask_workers.h"

#include <utility>

namespace trellis {

MaskWorkers::MaskWorkers(int num_threads) {
  for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

MaskWorkers::~MaskWorkers() {
  stopping_.store(true);
  queue_.close();
  for (std::thread& thread : threads_) thread.join();
}

void MaskWorkers::start(std::function<void()> work) {
  queue_.push(std::move(work));
}

void MaskWorkers::work() {
  while (const auto next = queue_.pop()) {
    if (!stopping_.load()) (*next)();
  }
}

}  // namespace trellis
