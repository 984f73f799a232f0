// How a case of one linear layer is made; which ones there are is in linear_cases.cpp.
#pragma once

#include "backend/op_case.h"
#include "backend/random_linear.h"

namespace trellis::test {

/// y = W x for a random weight and random rows, the last of which has an outlier.
OpCase linear_case(const WeightFormat& format, const LinearShape& shape, uint64_t seed);

}  // namespace trellis::test
