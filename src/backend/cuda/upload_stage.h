// Small uploads that nobody waits for: the bytes are copied into page-locked memory at once and
// from there by the device, in the order of its stream.
#pragma once

#include "tensor/buffer.h"

#include <cuda_runtime.h>

#include <cstddef>

namespace trellis::cuda {

/// One thread.
class UploadStage {
 public:
  /// Bytes of the largest upload.
  static constexpr size_t kCapacity = size_t{256} << 10;

  UploadStage();
  ~UploadStage();
  UploadStage(const UploadStage&) = delete;
  UploadStage& operator=(const UploadStage&) = delete;

  /// The source may be changed when it returns. Waits only for the upload before.
  void upload(cudaStream_t stream, void* destination, const void* source, size_t bytes);

 private:
  Buffer memory_;
  cudaEvent_t read_ = nullptr;  // the device has read memory_
};

}  // namespace trellis::cuda
