// Page-locked memory on its way to the device: a piece is filled by the host, then read by the
// device in the order of its stream, while the host fills the next one.
#pragma once

#include "backend/cuda/device_event.h"
#include "tensor/buffer.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <vector>

namespace trellis::cuda {

/// One thread.
class UploadRing {
 public:
  /// memory: host memory for `places` pieces, page-locked or the copies are slow.
  UploadRing(Buffer memory, size_t places);

  /// Bytes of the largest piece.
  size_t capacity() const { return capacity_; }

  /// Has fill write a piece of so many bytes, and the device copy it to destination. Waits only for
  /// the copy that last used the same place.
  void send(
      cudaStream_t stream, void* destination, size_t bytes,
      const std::function<void(char* piece)>& fill
  );

 private:
  Buffer memory_;            // [places, capacity]
  std::vector<Event> read_;  // the device has read that place
  size_t capacity_;
  size_t next_ = 0;
};

}  // namespace trellis::cuda
