// Launches: the limits that the device puts on them, and kernel attributes.
#include "simt/launch.h"

#include "simt/block.h"
#include "simt/device.h"
#include "simt/runtime_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace simt {
namespace {

constexpr std::size_t kSharedBytesByDefault = 48 << 10;
constexpr unsigned kMaxBlockThreads = 1024;
constexpr int kMultiprocessorThreads = 2048;
constexpr std::size_t kReservedSharedBytes = 1 << 10;

struct SharedLimits {
  std::mutex mutex;
  std::map<const void*, std::size_t> bytes;  // by kernel, where it asked for more
};

SharedLimits& shared_limits() {
  static SharedLimits limits;
  return limits;
}

std::size_t shared_limit(const void* kernel) {
  SharedLimits& limits = shared_limits();
  const std::lock_guard lock(limits.mutex);
  const auto found = limits.bytes.find(kernel);
  return found == limits.bytes.end() ? kSharedBytesByDefault : found->second;
}

std::mutex& launch_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// What the dynamic memory of a kernel and its variables may take together.
std::size_t total_shared_limit(const void* kernel) {
  SharedLimits& limits = shared_limits();
  const std::lock_guard lock(limits.mutex);
  return limits.bytes.contains(kernel) ? device().shared_bytes_per_block : kSharedBytesByDefault;
}

/// Blocks of a cluster, 1 where the launch names none; 0 for those that no device has.
unsigned cluster_blocks(const cudaLaunchConfig_t& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id != cudaLaunchAttributeClusterDimension) continue;
    const auto& dimension = attribute.val.clusterDim;
    const bool is_row = dimension.y == 1 && dimension.z == 1;
    const bool fits = dimension.x >= 1 && dimension.x <= unsigned{kMaxClusterBlocks} &&
                      config.gridDim.x % dimension.x == 0 && device().compute_major >= 9;
    return is_row && fits ? dimension.x : 0;
  }
  return 1;
}

cudaError_t check(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 grid = config.gridDim;
  const dim3 block = config.blockDim;
  const auto threads = static_cast<unsigned long long>(block.x) * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0 || threads > kMaxBlockThreads ||
      grid.x > 0x7FFFFFFFu || grid.y > 0xFFFFu || grid.z > 0xFFFFu || block.z > 64) {
    return cudaErrorInvalidConfiguration;
  }
  if (config.dynamicSmemBytes > shared_limit(kernel)) return cudaErrorInvalidValue;
  if (cluster_blocks(config) == 0) return cudaErrorInvalidConfiguration;
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    // Clusters run one after the other, so a grid whose blocks all wait for each other cannot be.
    if (config.attrs[i].id == cudaLaunchAttributeCooperative) return cudaErrorNotSupported;
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t launch(
    const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body
) {
  if (const cudaError_t error = check(config, kernel)) return report(error);
  return submit(
      config.stream,
      [grid = config.gridDim, block = config.blockDim, cluster = cluster_blocks(config),
       bytes = config.dynamicSmemBytes, kernel, body = std::move(body)] {
        const std::lock_guard lock(launch_mutex());
        std::string failure = processor().run_grid(kernel, grid, block, cluster, bytes, body);
        // A device would have refused it; here variables are met only when it runs.
        const std::size_t used = processor().shared_bytes();
        if (failure.empty() && used > total_shared_limit(kernel)) {
          failure = fmt::format(
              "kernel {}: {} bytes of shared memory, of which {} are dynamic, are too many",
              function_name(kernel), used, bytes
          );
        }
        return failure.empty() ? cudaSuccess : report_launch_failure(failure);
      }
  );
}

}  // namespace simt

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > simt::device().shared_bytes_per_block) {
    return simt::report(cudaErrorInvalidValue);
  }
  simt::SharedLimits& limits = simt::shared_limits();
  const std::lock_guard lock(limits.mutex);
  limits.bytes[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  *attributes = {};
  attributes->maxThreadsPerBlock = simt::kMaxBlockThreads;
  attributes->numRegs = 32;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(simt::shared_limit(kernel));
  const simt::Device device = simt::device();
  attributes->binaryVersion = attributes->ptxVersion =
      device.compute_major * 10 + device.compute_minor;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int* blocks, const void* kernel, int block_threads, size_t dynamic_shared_bytes
) {
  if (block_threads <= 0) return simt::report(cudaErrorInvalidValue);
  *blocks = 0;
  if (dynamic_shared_bytes > simt::shared_limit(kernel)) return cudaSuccess;
  const std::size_t shared = dynamic_shared_bytes + simt::kReservedSharedBytes;
  const std::size_t by_shared = simt::device().shared_bytes_per_multiprocessor / shared;
  *blocks = std::min(simt::kMultiprocessorThreads / block_threads, static_cast<int>(by_shared));
  return cudaSuccess;
}
