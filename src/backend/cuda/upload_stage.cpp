#include "backend/cuda/upload_stage.h"

#include "backend/cuda/cuda_check.h"
#include "backend/cuda/device_memory.h"
#include "base/error.h"

#include <cstring>

namespace trellis::cuda {

UploadStage::UploadStage() : memory_(allocate_pinned(kPlaces * kCapacity)) {}

void UploadStage::upload(cudaStream_t stream, void* destination, const void* source, size_t bytes) {
  TRELLIS_CHECK(bytes <= kCapacity, "an upload fits its stage");
  const cudaEvent_t read = read_[next_].get();
  void* place = static_cast<char*>(memory_.data()) + next_ * kCapacity;
  next_ = (next_ + 1) % kPlaces;
  TRELLIS_CUDA_CHECK(cudaEventSynchronize(read));
  std::memcpy(place, source, bytes);
  TRELLIS_CUDA_CHECK(cudaMemcpyAsync(destination, place, bytes, cudaMemcpyHostToDevice, stream));
  TRELLIS_CUDA_CHECK(cudaEventRecord(read, stream));
}

}  // namespace trellis::cuda
