// What the runtime API says of the emulated device.
#include "simt/device.h"

#include "simt/runtime_state.h"

#include <cstring>
#include <mutex>

namespace simt {
namespace {

constexpr int kCudaVersion = 13000;
constexpr int kThreadsPerBlock = 1024;
constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kRegisters = 65536;
constexpr int kL2Bytes = 32 << 20;
constexpr std::size_t kSharedBytesByDefault = 48 << 10;
constexpr std::size_t kReservedSharedBytes = 1 << 10;

struct Setting {
  std::mutex mutex;
  Device device;
};

Setting& setting() {
  static Setting setting;
  return setting;
}

cudaDeviceProp properties_of(const Device& device) {
  cudaDeviceProp p{};
  std::strcpy(p.name, "SIMT emulation");
  p.totalGlobalMem = device.memory_bytes;
  p.sharedMemPerBlock = kSharedBytesByDefault;
  p.sharedMemPerBlockOptin = device.shared_bytes_per_block;
  p.sharedMemPerMultiprocessor = device.shared_bytes_per_multiprocessor;
  p.reservedSharedMemPerBlock = kReservedSharedBytes;
  p.regsPerBlock = kRegisters;
  p.regsPerMultiprocessor = kRegisters;
  p.warpSize = 32;
  p.maxThreadsPerBlock = kThreadsPerBlock;
  p.maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  p.maxBlocksPerMultiProcessor = 32;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = kThreadsPerBlock;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7FFFFFFF;
  p.maxGridSize[1] = p.maxGridSize[2] = 0xFFFF;
  p.major = device.compute_major;
  p.minor = device.compute_minor;
  p.multiProcessorCount = device.multiprocessors;
  p.l2CacheSize = kL2Bytes;
  p.memoryBusWidth = 64;
  p.concurrentKernels = 1;
  p.unifiedAddressing = 1;
  return p;
}

}  // namespace

void set_device(const Device& device) {
  const std::lock_guard lock(setting().mutex);
  setting().device = device;
}

Device device() {
  const std::lock_guard lock(setting().mutex);
  return setting().device;
}

}  // namespace simt

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return simt::report(device == 0 ? simt::sticky_error() : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return simt::report(cudaErrorInvalidDevice);
  *properties = simt::properties_of(simt::device());
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return simt::report(cudaErrorInvalidDevice);
  const cudaDeviceProp p = simt::properties_of(simt::device());
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrIntegrated:
      *value = p.integrated;
      break;
    case cudaDevAttrComputeMode:
      *value = cudaComputeModeDefault;
      break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;  // kHz
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = p.regsPerMultiprocessor;
      break;
    case cudaDevAttrCooperativeLaunch:
      *value = p.cooperativeLaunch;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = static_cast<int>(p.reservedSharedMemPerBlock);
      break;
    default:
      return simt::report(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = simt::check_may_wait()) return simt::report(error);
  return simt::sticky_error();
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = simt::kCudaVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = simt::kCudaVersion;
  return cudaSuccess;
}
