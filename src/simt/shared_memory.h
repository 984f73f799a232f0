// The shared memory of the block that runs: one exact allocation per variable, so that the address
// sanitizer sees overruns, and the 32-bit addresses by which PTX names them.
#pragma once

#include "simt/collective.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

class SharedMemory {
 public:
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void begin_launch(std::size_t dynamic_bytes);
  void end_launch();

  /// Poisons all memory: a block starts without what the one before it wrote.
  void begin_block();

  /// Of the last launch: what it asked for, and the variables that its blocks have come to.
  std::size_t bytes() const;

  char* dynamic() const { return regions_[0].host; }
  void* variable(const void* key, std::size_t bytes, std::size_t alignment);

  /// The address of a byte in the shared window. Fails the launch for memory that is not shared.
  uint32_t address(const void* pointer, const Where& where) const;

  /// The `bytes` bytes from an address on, which must be aligned to as many, up to 16. Fails the
  /// launch unless they lie within one variable.
  char* pointer(uint32_t address, std::size_t bytes, const Where& where) const;

 private:
  struct Region {
    const void* key;
    char* host;
    std::size_t bytes;
    uint32_t address;
  };

  Region& add(const void* key, std::size_t bytes, std::size_t alignment);

  std::vector<Region> regions_;  // the first is the dynamic memory
  uint32_t end_address_ = 0;
  void* host_fiber_ = nullptr;
};

}  // namespace simt
