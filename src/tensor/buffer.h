// Buffer: the one owner of a stretch of memory that tensors look into. Its bytes come from a
// backend's allocator and go back to it; on the CPU they are host memory aligned to 64 bytes.
#pragma once

#include "tensor/tensor.h"

#include <cstddef>
#include <functional>
#include <utility>

namespace trellis {

/// Move-only. Gives its memory back when destroyed.
class Buffer {
 public:
  using Deleter = void (*)(void* data, size_t bytes);

  Buffer() = default;
  Buffer(void* data, size_t bytes, Deleter deleter)
      : data_(data), bytes_(bytes), deleter_(deleter) {}
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        deleter_(other.deleter_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
      deleter_ = other.deleter_;
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  /// A view of the bytes from offset on. InternalError if it does not fit.
  Tensor view(DType dtype, Shape shape, size_t offset = 0) const {
    const size_t needed = static_cast<size_t>(shape.numel()) * dtype_bytes(dtype);
    TRELLIS_CHECK(offset <= bytes_ && needed <= bytes_ - offset, "view inside the buffer");
    return {static_cast<char*>(data_) + offset, dtype, shape};
  }

 private:
  void release() noexcept {
    if (data_ != nullptr) deleter_(data_, bytes_);
    data_ = nullptr;
  }

  void* data_ = nullptr;
  size_t bytes_ = 0;
  Deleter deleter_ = nullptr;
};

/// Host memory aligned to 64 bytes, zeroed. Throws UserError naming the size when there is not
/// enough.
Buffer allocate_host(size_t bytes);

}  // namespace trellis
