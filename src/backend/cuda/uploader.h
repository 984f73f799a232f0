// The way of bytes from the host into device memory: through page-locked memory, in the order of
// the stream, and without waiting for the device. Small ones, those of a step, have places of their
// own; for large ones, those of a model, several threads copy from the mapped file, since one core
// is slower than the bus. What is under way is bounded by the places.
#pragma once

#include "backend/cuda/upload_ring.h"
#include "base/thread_pool.h"
#include "tensor/buffer.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <optional>

namespace trellis::cuda {

/// Rows of host memory, and how long they are to be in device memory: zeros fill them up.
struct HostRows {
  const void* data = nullptr;
  size_t rows = 0;
  size_t row_bytes = 0;
  size_t stride = 0;  // bytes from row to row
  size_t padded = 0;  // bytes of a row in device memory, at least row_bytes

  size_t bytes() const { return rows * padded; }
};

/// The large ring, and who fills it.
struct UploadLimits {
  int num_threads = 0;  // with the caller; 0: one per CPU, up to kMostThreads
  size_t places = 4;
  size_t place_bytes = size_t{8} << 20;

  /// More cores than memory takes to be read at the speed of the bus.
  static constexpr int kMostThreads = 8;
};

/// One thread. The source of an upload may change when it returns; what is issued to the stream
/// afterwards finds the destination filled. Threads and memory for large uploads come with the
/// first one, and stay. Throws UserError where memory or threads are lacking; where memory cannot
/// be page-locked, one warning.
class Uploader {
 public:
  /// Larger ones go through the large ring.
  static constexpr size_t kSmallBytes = size_t{256} << 10;

  Uploader(cudaStream_t stream, const UploadLimits& limits);

  cudaStream_t stream() const { return stream_; }

  void upload(void* destination, const void* source, size_t bytes);
  void upload(void* destination, const HostRows& source);

  /// Issues what reads `bytes` of the source, from `offset` on, where they are in device memory.
  using Reader = std::function<void(const void* piece, size_t offset, size_t bytes)>;
  /// Has read called for pieces that make up the source in order. All but the last are of the same
  /// multiple of 256 bytes. A piece is overwritten by the next.
  void pass(const void* source, size_t bytes, const Reader& read);

 private:
  Buffer allocate_places(size_t bytes);
  UploadRing& ring_for(size_t bytes);
  void send(UploadRing& ring, void* destination, const HostRows& source, size_t begin, size_t end);

  cudaStream_t stream_;
  UploadLimits limits_;
  bool locks_memory_ = true;
  UploadRing small_;
  std::optional<UploadRing> large_;
  std::optional<ThreadPool> threads_;  // fill the large ring
  Buffer passed_;                      // the piece that readers are shown
};

}  // namespace trellis::cuda
