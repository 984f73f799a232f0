// Compiled with the sanitizers of the kernels, unlike the rest of the emulation: the accesses are
// the thread's own.
#include "simt/async_copy.h"

#include "simt/vector_types.h"

namespace simt {

void copy_by_thread(void* destination, const void* source, std::size_t bytes) {
  auto* to = static_cast<uint4*>(destination);
  const auto* from = static_cast<const uint4*>(source);
  for (std::size_t i = 0; i < bytes / sizeof(uint4); ++i) to[i] = from ? from[i] : uint4{};
}

void AsyncCopies::carry_out(std::size_t first, std::size_t end) {
  for (std::size_t i = first; i < end; ++i) {
    copy_by_thread(copies_[i].destination, copies_[i].source, sizeof(uint4));
  }
}

void AsyncCopies::wait(std::size_t pending) {
  if (group_ends_.size() <= pending) return;
  const std::size_t groups = group_ends_.size() - pending;
  const std::size_t end = group_ends_[groups - 1];
  carry_out(0, end);
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(end));
  group_ends_.erase(group_ends_.begin(), group_ends_.begin() + static_cast<std::ptrdiff_t>(groups));
  for (std::size_t& group_end : group_ends_) group_end -= end;
}

void AsyncCopies::finish() {
  carry_out(0, copies_.size());
  clear();
}

void AsyncCopies::clear() {
  copies_.clear();
  group_ends_.clear();
}

}  // namespace simt
