#include "tensor/workspace.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMinimumBlock = 1u << 20;

}  // namespace

Workspace::Scope::Scope(Workspace& workspace)
    : workspace_(workspace),
      block_(workspace.current_),
      used_(workspace.blocks_.empty() ? 0 : workspace.blocks_[workspace.current_].used) {}

Workspace::Scope::~Scope() {
  for (size_t i = block_ + 1; i < workspace_.blocks_.size(); ++i) workspace_.blocks_[i].used = 0;
  if (!workspace_.blocks_.empty()) workspace_.blocks_[block_].used = used_;
  workspace_.current_ = block_;
}

Tensor Workspace::tensor(Shape shape, DType dtype) {
  const size_t exact = static_cast<size_t>(shape.numel()) * dtype_bytes(dtype);
  const size_t bytes = (std::max<size_t>(exact, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (current_ < blocks_.size() &&
         blocks_[current_].buffer.bytes() - blocks_[current_].used < bytes) {
    ++current_;
  }
  if (current_ == blocks_.size()) {
    // Each block at least doubles the arena: a handful of blocks serve any step.
    blocks_.push_back({allocate_(std::max({bytes, kMinimumBlock, capacity()}))});
  }
  Block& block = blocks_[current_];
  const Tensor result = block.buffer.view(dtype, shape, block.used);
  block.used += bytes;
  return result;
}

size_t Workspace::capacity() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.buffer.bytes();
  return total;
}

}  // namespace trellis
