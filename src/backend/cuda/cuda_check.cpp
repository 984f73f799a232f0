#include "backend/cuda/cuda_check.h"

#include "base/error.h"

namespace trellis::cuda {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that does not stick must not be reported twice
  throw DeviceError(
      fmt::format("CUDA: {} ({}) in {}", cudaGetErrorString(status), cudaGetErrorName(status), call)
  );
}

}  // namespace trellis::cuda
