// The checks that every weight passes before it is used. Each throws UserError naming file and
// tensor.
#pragma once

#include "checkpoint/checkpoint.h"

#include <cstdint>
#include <initializer_list>
#include <string>

namespace trellis {

/// The tensor `name`, of exactly this shape and of one of these dtypes.
ConstTensor checked_tensor(
    const Checkpoint& checkpoint, const std::string& name, const Shape& shape,
    std::initializer_list<DType> dtypes
);

/// Refuses NaN and infinity.
void check_finite(const Checkpoint& checkpoint, const std::string& name, const ConstTensor& tensor);

/// The numbers of an fp16, bf16, fp32 or fp64 tensor, widened or rounded to fp32.
std::vector<float> to_floats(const ConstTensor& tensor);

}  // namespace trellis
