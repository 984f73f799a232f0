#include "backend/reference/reference_ops.h"

#include <cmath>

namespace trellis::reference {
namespace {

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1.0 + std::exp(-x));
  }
  throw InternalError("unknown activation");
}

}  // namespace

void ReferenceOps::gated_activation(
    Activation activation, ConstTensor gate, ConstTensor up, Tensor out
) {
  for (int64_t r = 0; r < out.rows(); ++r) {
    for (int64_t i = 0; i < out.row_size(); ++i) {
      const double gated = activate(activation, gate.row<float>(r)[i]);
      out.row<float>(r)[i] = static_cast<float>(gated * up.row<float>(r)[i]);
    }
  }
}

void ReferenceOps::add(Tensor x, ConstTensor y) {
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t i = 0; i < x.row_size(); ++i) x.row<float>(r)[i] += y.row<float>(r)[i];
  }
}

}  // namespace trellis::reference
