#include "backend/cuda/upload_stage.h"

#include "backend/cuda/cuda_check.h"
#include "backend/cuda/device_memory.h"
#include "base/error.h"

#include <cstring>

namespace trellis::cuda {

UploadStage::UploadStage() : memory_(allocate_pinned(kCapacity)) {
  TRELLIS_CUDA_CHECK(cudaEventCreateWithFlags(&read_, cudaEventDisableTiming));
}

UploadStage::~UploadStage() {
  cudaEventDestroy(read_);
}

void UploadStage::upload(cudaStream_t stream, void* destination, const void* source, size_t bytes) {
  TRELLIS_CHECK(bytes <= kCapacity, "an upload fits its stage");
  TRELLIS_CUDA_CHECK(cudaEventSynchronize(read_));
  std::memcpy(memory_.data(), source, bytes);
  TRELLIS_CUDA_CHECK(
      cudaMemcpyAsync(destination, memory_.data(), bytes, cudaMemcpyHostToDevice, stream)
  );
  TRELLIS_CUDA_CHECK(cudaEventRecord(read_, stream));
}

}  // namespace trellis::cuda
