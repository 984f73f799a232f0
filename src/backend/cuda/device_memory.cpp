#include "backend/cuda/device_memory.h"

#include "backend/cuda/cuda_check.h"

#include <algorithm>

namespace trellis::cuda {
namespace {

// A destructor cannot report: an error here is an earlier kernel's, and the next call meets it.
void free_device(void* data, size_t) {
  cudaFree(data);
}
void free_pinned(void* data, size_t) {
  cudaFreeHost(data);
}

}  // namespace

Buffer allocate_device(size_t bytes) {
  void* data = nullptr;
  const size_t size = std::max<size_t>(bytes, 1);
  const cudaError_t status = cudaMalloc(&data, size);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0;
    size_t total = 0;
    cudaMemGetInfo(&free, &total);
    throw UserError(
        "the GPU has {:.2f} of {:.2f} GB free, and {:.2f} GB more are needed; use a smaller model, "
        "fewer bits or a smaller context",
        static_cast<double>(free) / 1e9, static_cast<double>(total) / 1e9,
        static_cast<double>(size) / 1e9
    );
  }
  check(status, "cudaMalloc");
  return {data, bytes, free_device};
}

Buffer allocate_pinned(size_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMallocHost(&data, std::max<size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw UserError("{} bytes of host memory could not be locked for copies to the GPU", bytes);
  }
  check(status, "cudaMallocHost");
  return {data, bytes, free_pinned};
}

}  // namespace trellis::cuda
