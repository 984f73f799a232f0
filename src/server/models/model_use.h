// A request's hold on a model of the pool.
#pragma once

#include "server/models/model_state.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace trellis::server {

class ModelPool;
struct ModelInstance;

/// Sees what becomes of one load of a model. One thread at a time uses it; the pool outlives it.
class ModelWatch {
 public:
  /// id: of no other watch of the pool.
  ModelWatch(ModelPool& pool, std::shared_ptr<ModelInstance> instance, uint64_t id);
  ~ModelWatch();
  ModelWatch(ModelWatch&& other) noexcept = default;
  ModelWatch& operator=(ModelWatch&& other) = delete;

  /// Calls wake() whenever state() is another, and at once. wake() is as PendingReply's.
  void on_change(std::function<void()> wake);
  LoadState state() const;

 protected:
  ModelPool& pool() const { return *pool_; }
  ModelInstance& instance() const { return *instance_; }
  bool holds() const { return instance_ != nullptr; }  // false: moved from

 private:
  ModelPool* pool_;
  std::shared_ptr<ModelInstance> instance_;
  uint64_t id_;
};

/// Keeps the model, once it is loaded, from being unloaded. While it is being loaded others may
/// still give that up. The pool has counted it when it is made.
class ModelUse : public ModelWatch {
 public:
  ModelUse(ModelPool& pool, std::shared_ptr<ModelInstance> instance, uint64_t id)
      : ModelWatch(pool, std::move(instance), id) {}
  ~ModelUse();
  ModelUse(ModelUse&& other) noexcept = default;
  ModelUse& operator=(ModelUse&& other) = delete;

  /// Of a model that is ready, or unloading.
  Engine& engine() const;
  /// The model's own name.
  const std::string& model_name() const;
};

}  // namespace trellis::server
