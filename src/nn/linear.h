// The weight of a linear layer, as an owner: the ops that use it are in backend/ops.h.
#pragma once

#include "backend/packed_linear.h"
#include "nn/step_context.h"

#include <memory>
#include <utility>

namespace trellis {

class Linear {
 public:
  explicit Linear(std::unique_ptr<PackedLinear> weight) : weight_(std::move(weight)) {}

  int64_t in_features() const { return weight_->in_features(); }
  int64_t out_features() const { return weight_->out_features(); }
  const PackedLinear& weight() const { return *weight_; }

 private:
  std::unique_ptr<PackedLinear> weight_;
};

}  // namespace trellis
