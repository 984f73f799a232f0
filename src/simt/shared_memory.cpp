#include "simt/shared_memory.h"

#include "simt/block.h"
#include "simt/sanitizers.h"
#include "simt/shared_variable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace simt {
namespace {

// The first kilobyte of the window is the system's, as on the device; 0 is no variable's address.
constexpr uint32_t kFirstAddress = 1024;
constexpr std::size_t kDynamicAlignment = 1024;

char* allocate(std::size_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), bytes) != 0) {
    throw std::bad_alloc();
  }
  std::memset(memory, 0xFF, bytes);
  return static_cast<char*>(memory);
}

}  // namespace

SharedMemory::~SharedMemory() {
  end_launch();
}

void SharedMemory::begin_launch(std::size_t dynamic_bytes) {
  host_fiber_ = current_tsan_fiber();
  end_address_ = kFirstAddress;
  add(nullptr, dynamic_bytes, kDynamicAlignment);
}

void SharedMemory::end_launch() {
  for (const Region& region : regions_) std::free(region.host);
  regions_.clear();
}

void SharedMemory::begin_block() {
  for (const Region& region : regions_) std::memset(region.host, 0xFF, region.bytes);
}

std::size_t SharedMemory::bytes() const {
  return end_address_ - kFirstAddress;
}

SharedMemory::Region& SharedMemory::add(const void* key, std::size_t bytes, std::size_t alignment) {
  const auto align = static_cast<uint32_t>(alignment);
  const uint32_t address = (end_address_ + align - 1) / align * align;
  end_address_ = address + static_cast<uint32_t>(bytes);
  regions_.push_back({key, allocate(bytes, alignment), bytes, address});
  return regions_.back();
}

void* SharedMemory::variable(const void* key, std::size_t bytes, std::size_t alignment) {
  for (const Region& region : regions_) {
    if (region.key == key) {
      ordered_after(region.host);
      return region.host;
    }
  }
  char* memory = nullptr;
  {
    const AsThread as_launching_thread(host_fiber_);
    memory = add(key, bytes, alignment).host;
    ordered_before(memory);
  }
  ordered_after(memory);
  return memory;
}

uint32_t SharedMemory::address(const void* pointer, const Where& where) const {
  const auto* byte = static_cast<const char*>(pointer);
  for (const Region& region : regions_) {
    // The end is an address too: loops compute it and compare with it.
    if (byte >= region.host && byte <= region.host + region.bytes) {
      return region.address + static_cast<uint32_t>(byte - region.host);
    }
  }
  processor().fail(fmt::format("{} is no address of shared memory", pointer), where);
}

char* SharedMemory::pointer(uint32_t address, std::size_t bytes, const Where& where) const {
  if (address % std::min<std::size_t>(bytes, 16) != 0) {
    processor().fail(
        fmt::format("shared address {:#x} is not aligned for {} bytes", address, bytes), where
    );
  }
  for (const Region& region : regions_) {
    if (address >= region.address && address + bytes <= region.address + region.bytes) {
      return region.host + (address - region.address);
    }
  }
  processor().fail(
      fmt::format("{} bytes at shared address {:#x} are not of one variable", bytes, address), where
  );
}

void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment) {
  return current_block().shared.variable(key, bytes, alignment);
}

char* dynamic_shared() {
  return current_block().shared.dynamic();
}

}  // namespace simt
