// PTX instructions by which a thread reaches shared memory, its own copies and its cluster.
#include "simt/ptx.h"

#include "simt/block.h"

#include <cstdint>
#include <cstring>

namespace simt {

char* shared_pointer(uint32_t address, std::size_t bytes, const Where& where) {
  return current_block().shared.pointer(address, bytes, where);
}

void check_aligned(const void* pointer, const Where& where) {
  if (reinterpret_cast<uintptr_t>(pointer) % 16 != 0) {
    fail("a global address is not aligned to 16 bytes", where);
  }
}

void start_copy(uint32_t shared, const void* global, const Where& where) {
  current_fiber().copies.start(shared_pointer(shared, 16, where), global);
}

void commit_copies() {
  current_fiber().copies.commit();
}

void wait_for_copies(std::size_t pending) {
  current_fiber().copies.wait(pending);
}

void meet_cluster(const Where& where) {
  processor().meet_cluster("cluster_barrier", where);
}

void store_in_cluster(uint32_t address, unsigned rank, float value, const Where& where) {
  Block& block = processor().block_of_cluster(rank, where);
  std::memcpy(block.shared.pointer(address, sizeof(value), where), &value, sizeof(value));
}

}  // namespace simt

uint32_t trellis::cuda::shared_address(const void* pointer, const simt::Where& where) {
  return simt::current_block().shared.address(pointer, where);
}
