// Turns error codes of the CUDA runtime into DeviceError.
#pragma once

#include <cuda_runtime.h>

namespace trellis::cuda {

/// Throws DeviceError naming the call unless status is success.
void check(cudaError_t status, const char* call);

}  // namespace trellis::cuda

/// Around every call of the runtime that returns a status.
#define TRELLIS_CUDA_CHECK(call) ::trellis::cuda::check((call), #call)
