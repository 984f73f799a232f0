// Runs steps: lays a Step out as the arrays a device reads, calls the model or a recording of that
// call, and brings the logits back.
#pragma once

#include "backend/backend.h"
#include "engine/step.h"
#include "engine/step_recordings.h"
#include "engine/step_shape.h"
#include "model/model.h"

#include <span>
#include <vector>

namespace trellis {

/// Borrows model, backend and cache, which must outlive it. One thread.
class ModelRunner {
 public:
  ModelRunner(const Model& model, Backend& backend, const CacheStorage& cache);
  ModelRunner(const ModelRunner&) = delete;
  ModelRunner& operator=(const ModelRunner&) = delete;

  /// Executes the step; its tokens' keys and values are in the cache afterwards.
  /// Returns [sum of num_logits, vocab] fp32 in the order of the entries, valid until the next run.
  std::span<const float> run(const Step& step);

  int64_t vocab_size() const { return model_.config().vocab_size; }

 private:
  /// The step's integers in one stretch of memory, so that one upload carries them. Where each
  /// array begins, and how large it is, depends on the shape alone.
  DeviceStep upload(const Step& step, const StepShape& shape);
  /// Makes buffer hold `bytes`. Recordings know the address that it had.
  void reserve(Buffer& buffer, size_t bytes);

  const Model& model_;
  Backend& backend_;
  const CacheStorage& cache_;
  StepRecordings recordings_;
  std::vector<int32_t> staging_;
  Buffer integers_;
  Buffer logits_;
  Buffer host_logits_;
};

}  // namespace trellis
