// Small uploads that nobody waits for: the bytes are copied into page-locked memory at once and
// from there by the device, in the order of its stream.
#pragma once

#include "backend/cuda/device_event.h"
#include "tensor/buffer.h"

#include <cuda_runtime.h>

#include <array>
#include <cstddef>

namespace trellis::cuda {

/// One thread.
class UploadStage {
 public:
  /// Bytes of the largest upload.
  static constexpr size_t kCapacity = size_t{256} << 10;
  /// Uploads under way: those of a step, and of the one that is issued behind it.
  static constexpr size_t kPlaces = 6;

  UploadStage();

  /// The source may be changed when it returns. Waits only for the one kPlaces uploads before.
  void upload(cudaStream_t stream, void* destination, const void* source, size_t bytes);

 private:
  Buffer memory_;                    // [kPlaces, kCapacity]
  std::array<Event, kPlaces> read_;  // the device has read that place
  size_t next_ = 0;
};

}  // namespace trellis::cuda
