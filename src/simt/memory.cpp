// Device memory: exact allocations of the host, so that the address sanitizer sees overruns.
#include "simt/device.h"
#include "simt/runtime_state.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace simt {
namespace {

constexpr std::size_t kAlignment = 256;

struct Allocations {
  std::mutex mutex;
  std::map<uintptr_t, std::size_t> bytes;  // by address
  std::size_t total = 0;
};

Allocations& allocations() {
  static Allocations allocations;
  return allocations;
}

cudaError_t allocate_poisoned(void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(pointer, kAlignment, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xFF, bytes);
  return cudaSuccess;
}

bool is_copy_valid(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return true;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to == nullptr || from == nullptr) return false;
  if (to_device && !is_device_memory(to, bytes)) return false;
  return !from_device || is_device_memory(from, bytes);
}

}  // namespace

bool is_device_memory(const void* pointer, std::size_t bytes) {
  Allocations& all = allocations();
  const std::lock_guard lock(all.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto found = all.bytes.upper_bound(address);
  if (found == all.bytes.begin()) return false;
  --found;
  const std::size_t offset = address - found->first;
  return offset <= found->second && bytes <= found->second - offset;
}

}  // namespace simt

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  if (const cudaError_t error = simt::sticky_error()) return error;
  simt::Allocations& all = simt::allocations();
  const std::lock_guard lock(all.mutex);
  const std::size_t capacity = simt::device().memory_bytes;
  if (all.total > capacity || bytes > capacity - all.total) {
    return simt::report(cudaErrorMemoryAllocation);
  }
  const cudaError_t error = simt::allocate_poisoned(pointer, bytes);
  if (error != cudaSuccess || bytes == 0) return simt::report(error);
  all.bytes[reinterpret_cast<uintptr_t>(*pointer)] = bytes;
  all.total += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  if (pointer == nullptr) return cudaSuccess;
  simt::Allocations& all = simt::allocations();
  {
    const std::lock_guard lock(all.mutex);
    const auto found = all.bytes.find(reinterpret_cast<uintptr_t>(pointer));
    if (found == all.bytes.end()) return simt::report(cudaErrorInvalidValue);
    all.total -= found->second;
    all.bytes.erase(found);
  }
  std::free(pointer);
  return simt::sticky_error();
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  if (bytes > simt::device().lockable_bytes) return simt::report(cudaErrorMemoryAllocation);
  return simt::report(simt::allocate_poisoned(pointer, bytes));
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned /*flags*/) {
  return cudaMallocHost(pointer, bytes);
}

cudaError_t cudaFreeHost(void* pointer) {
  std::free(pointer);
  return simt::sticky_error();
}

cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  simt::Allocations& all = simt::allocations();
  const std::lock_guard lock(all.mutex);
  *total = simt::device().memory_bytes;
  *available = *total > all.total ? *total - all.total : 0;
  return simt::sticky_error();
}

cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  return cudaMemsetAsync(pointer, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  if (bytes != 0 && !simt::is_device_memory(pointer, bytes)) {
    return simt::report(cudaErrorInvalidValue);
  }
  return simt::submit(stream, [=] {
    if (bytes != 0) std::memset(pointer, value, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* destination, const void* source, size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  return cudaMemcpyAsync(destination, source, bytes, kind, nullptr);
}

cudaError_t cudaMemcpyAsync(
    void* destination, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream
) {
  if (!simt::is_copy_valid(destination, source, bytes, kind)) {
    return simt::report(cudaErrorInvalidValue);
  }
  return simt::submit(stream, [=] {
    if (bytes != 0) std::memmove(destination, source, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy2D(
    void* destination, size_t destination_pitch, const void* source, size_t source_pitch,
    size_t row_bytes, size_t rows, cudaMemcpyKind kind
) {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  return cudaMemcpy2DAsync(
      destination, destination_pitch, source, source_pitch, row_bytes, rows, kind, nullptr
  );
}

cudaError_t cudaMemcpy2DAsync(
    void* destination, size_t destination_pitch, const void* source, size_t source_pitch,
    size_t row_bytes, size_t rows, cudaMemcpyKind kind, cudaStream_t stream
) {
  if (rows == 0 || row_bytes == 0) return simt::sticky_error();
  if (row_bytes > destination_pitch || row_bytes > source_pitch) {
    return simt::report(cudaErrorInvalidValue);
  }
  auto* to = static_cast<char*>(destination);
  const auto* from = static_cast<const char*>(source);
  const bool first_valid = simt::is_copy_valid(to, from, row_bytes, kind);
  const std::size_t last = rows - 1;
  if (!first_valid || !simt::is_copy_valid(
                          to + last * destination_pitch, from + last * source_pitch, row_bytes, kind
                      )) {
    return simt::report(cudaErrorInvalidValue);
  }
  return simt::submit(stream, [=] {
    for (std::size_t row = 0; row < rows; ++row) {
      std::memmove(to + row * destination_pitch, from + row * source_pitch, row_bytes);
    }
    return cudaSuccess;
  });
}
