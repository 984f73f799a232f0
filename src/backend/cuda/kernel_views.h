// Tensors and sides of a cache as kernels take them: plain pointers.
#pragma once

#include "backend/args.h"
#include "backend/cuda/kernels/kv_rows.h"

namespace trellis::cuda {

/// The numbers of an fp32 tensor, whose rows must follow one another.
inline const float* floats(ConstTensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "kernels need contiguous rows");
  return tensor.as<float>();
}
inline float* floats(Tensor tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "kernels need contiguous rows");
  return tensor.as<float>();
}

inline KvRows kv_rows(const KvSide& side) {
  KvRows rows;
  rows.numbers = side.numbers.data();
  rows.scales = static_cast<uint16_t*>(side.scales.data());
  rows.bits = kv_bits(side.type());
  return rows;
}

}  // namespace trellis::cuda
