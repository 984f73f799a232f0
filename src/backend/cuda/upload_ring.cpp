#include "backend/cuda/upload_ring.h"

#include "backend/cuda/cuda_check.h"
#include "base/error.h"

#include <utility>

namespace trellis::cuda {

UploadRing::UploadRing(Buffer memory, size_t places)
    : memory_(std::move(memory)), read_(places), capacity_(memory_.bytes() / places) {}

void UploadRing::send(
    cudaStream_t stream, void* destination, size_t bytes,
    const std::function<void(char* piece)>& fill
) {
  TRELLIS_CHECK(bytes <= capacity_, "a piece fits its place");
  const cudaEvent_t read = read_[next_].get();
  char* piece = static_cast<char*>(memory_.data()) + next_ * capacity_;
  next_ = (next_ + 1) % read_.size();
  TRELLIS_CUDA_CHECK(cudaEventSynchronize(read));
  fill(piece);
  TRELLIS_CUDA_CHECK(cudaMemcpyAsync(destination, piece, bytes, cudaMemcpyHostToDevice, stream));
  TRELLIS_CUDA_CHECK(cudaEventRecord(read, stream));
}

}  // namespace trellis::cuda
