// A backend that passes everything on to another and counts recordings and replays.
#pragma once

#include "backend/backend.h"

#include <memory>
#include <string>
#include <utility>

namespace trellis::test {

class CountingBackend : public Backend {
 public:
  explicit CountingBackend(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  int num_recorded() const { return num_recorded_; }
  int num_replayed() const { return *num_replayed_; }

  std::string name() const override { return backend_->name(); }
  std::string isa() const override { return backend_->isa(); }
  int num_threads() const override { return backend_->num_threads(); }
  Ops& ops() override { return backend_->ops(); }
  Workspace& workspace() override { return backend_->workspace(); }
  Buffer allocate(size_t bytes) override { return backend_->allocate(bytes); }
  Buffer allocate_staging(size_t bytes) override { return backend_->allocate_staging(bytes); }
  void upload(Tensor destination, const void* source) override {
    backend_->upload(destination, source);
  }
  void download(ConstTensor source, void* destination) override {
    backend_->download(source, destination);
  }
  void copy(ConstTensor source, Tensor destination) override {
    backend_->copy(source, destination);
  }
  std::unique_ptr<PackedLinear> pack(const LinearWeight& weight) override {
    return backend_->pack(weight);
  }
  size_t available_memory() const override { return backend_->available_memory(); }
  double measure_bandwidth() override { return backend_->measure_bandwidth(); }

  Replay record(std::function<void()> fn) override {
    ++num_recorded_;
    return [replay = backend_->record(std::move(fn)), count = num_replayed_] {
      ++*count;
      replay();
    };
  }

 private:
  std::unique_ptr<Backend> backend_;
  int num_recorded_ = 0;
  std::shared_ptr<int> num_replayed_ = std::make_shared<int>(0);
};

}  // namespace trellis::test
