// Whether all numbers of a tensor are finite: what stands between a damaged file and a model that
// answers NaN.
#pragma once

#include "tensor/tensor.h"

#include <cstdint>
#include <optional>

namespace trellis {

/// The flat index of the first NaN or infinity of an fp16, bf16, fp32 or fp64 tensor with
/// contiguous rows, none if all are finite. The data may be unaligned. InternalError for another
/// dtype.
std::optional<int64_t> find_non_finite(const ConstTensor& tensor);

}  // namespace trellis
