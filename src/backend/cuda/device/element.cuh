// Reads numbers of any float type as fp32.
#pragma once

#include "backend/cuda/kernels/float_type.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace trellis::cuda {

__device__ __forceinline__ float to_float(float value) {
  return value;
}
__device__ __forceinline__ float to_float(__half value) {
  return __half2float(value);
}
__device__ __forceinline__ float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

__device__ __forceinline__ void store_float(float* place, float value) {
  *place = value;
}
__device__ __forceinline__ void store_float(__half* place, float value) {
  *place = __float2half_rn(value);
}

/// Calls fn with a null pointer of the element type that `type` names: one switch per launcher.
template <typename Function>
void for_float_type(FloatType type, Function fn) {
  switch (type) {
    case FloatType::kFloat32:
      return fn(static_cast<const float*>(nullptr));
    case FloatType::kFloat16:
      return fn(static_cast<const __half*>(nullptr));
    case FloatType::kBFloat16:
      return fn(static_cast<const __nv_bfloat16*>(nullptr));
  }
}

}  // namespace trellis::cuda
