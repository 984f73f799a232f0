#include "tensor/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace trellis {
namespace {

constexpr size_t kMappedFrom = 1u << 20;
constexpr size_t kAlignment = 64;

void free_small(void* data, size_t) {
  std::free(data);
}
void free_mapped(void* data, size_t bytes) {
  ::munmap(data, bytes);
}

}  // namespace

Buffer allocate_host(size_t bytes) {
  if (bytes == 0) return {};
  const auto out_of_memory = [&] {
    return UserError(
        "out of memory: {:.1f} MiB of host memory cannot be had; use a smaller model, context or "
        "cache",
        static_cast<double>(bytes) / (1 << 20)
    );
  };
  if (bytes >= kMappedFrom) {
    // Fresh pages are zero, are given back at once, and may be huge: fewer TLB misses while weights
    // stream.
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw out_of_memory();
    ::madvise(data, bytes, MADV_HUGEPAGE);
    return {data, bytes, free_mapped};
  }
  void* data = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (data == nullptr) throw out_of_memory();
  std::memset(data, 0, bytes);
  return {data, bytes, free_small};
}

}  // namespace trellis
