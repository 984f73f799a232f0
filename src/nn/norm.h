// The weight of an RMSNorm, as an owner: the op itself is Ops::rms_norm.
#pragma once

#include "tensor/buffer.h"

#include <utility>

namespace trellis {

struct Norm {
  Buffer storage;
  ConstTensor weight;  // [dim] fp32, inside storage

  bool empty() const { return weight.empty(); }
};

}  // namespace trellis
