// The arena of one step's activations: a stack. A scope's temporaries are given back when it
// closes, so the same step takes the same addresses every time, which is what lets a device replay
// it.
#pragma once

#include "tensor/buffer.h"
#include "tensor/tensor.h"

#include <functional>
#include <vector>

namespace trellis {

/// Belongs to one backend and one thread.
class Workspace {
 public:
  using Allocate = std::function<Buffer(size_t bytes)>;

  explicit Workspace(Allocate allocate) : allocate_(std::move(allocate)) {}

  /// Gives back everything taken during its life when it closes.
  class Scope {
   public:
    explicit Scope(Workspace& workspace);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& workspace_;
    size_t block_;
    size_t used_;
  };
  [[nodiscard]] Scope scope() { return Scope(*this); }

  /// A tensor that lives until the enclosing scope closes. Contents are undefined. Aligned to 64
  /// bytes.
  Tensor tensor(Shape shape, DType dtype);

  /// Bytes held, whether in use or not.
  size_t capacity() const;

 private:
  struct Block {
    Buffer buffer;
    size_t used = 0;
  };

  Allocate allocate_;
  std::vector<Block> blocks_;
  size_t current_ = 0;
};

}  // namespace trellis
