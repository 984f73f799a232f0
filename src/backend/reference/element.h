// Reads and writes single numbers of any float type: the reference is written in doubles and never
// in a hurry.
#pragma once

#include "base/half.h"
#include "tensor/tensor.h"

#include <cstring>

namespace trellis::reference {

/// Number `index` of contiguous fp16, bf16 or fp32 data, which may be unaligned. Exact.
inline double load_element(const void* data, DType dtype, int64_t index) {
  const char* address =
      static_cast<const char*>(data) + static_cast<size_t>(index) * dtype_bytes(dtype);
  if (dtype == DType::kFloat32) {
    float value;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, address, sizeof(bits));
  TRELLIS_CHECK(dtype == DType::kFloat16 || dtype == DType::kBFloat16, "a float type");
  return dtype == DType::kFloat16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

/// Rounds value to fp32 or fp16, to nearest even, and stores it as number `index`.
inline void store_element(void* data, DType dtype, int64_t index, float value) {
  if (dtype == DType::kFloat32) {
    static_cast<float*>(data)[index] = value;
  } else {
    TRELLIS_CHECK(dtype == DType::kFloat16, "keys and values are fp16 or fp32");
    static_cast<uint16_t*>(data)[index] = float_to_half(value);
  }
}

}  // namespace trellis::reference
