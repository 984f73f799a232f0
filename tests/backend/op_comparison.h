// An op of the list on one backend against the reference in fp64: what the oracle tests assert, and
// `trellis gpu-check` reports.
#pragma once

#include "backend/op_case.h"

#include <cstddef>

namespace trellis::test {

/// The row that is nearest to its limit, or farthest beyond.
struct OpComparison {
  double error = 0.0;  // root mean square of a row's errors over the row's own
  double limit = 0.0;
  size_t row = 0;

  bool passed() const { return error <= limit; }
};

/// activations: those that backend was made with. Throws InternalError if the outputs have other
/// sizes.
OpComparison compare_op(
    const OpCase& op_case, Backend& backend, ActivationPrecision activations, Backend& reference
);

}  // namespace trellis::test
