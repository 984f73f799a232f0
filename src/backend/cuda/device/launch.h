// How every kernel of this backend is launched: one call, checked.
#pragma once

#include "backend/cuda/cuda_check.h"

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <utility>

namespace trellis::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  /// Whether the kernel may start while the one in front of it ends; it then has to call
  /// dependencies_wait() before it touches what that one wrote.
  bool overlap = false;
  /// CTAs of a cluster, neighbours along x; more than one needs sm_90.
  unsigned cluster_ctas = 1;
};

/// Puts the kernel into the stream. Throws DeviceError if it cannot be launched.
template <typename... Parameters, typename... Arguments>
void launch(
    cudaStream_t stream, const LaunchShape& shape, void (*kernel)(Parameters...),
    Arguments&&... arguments
) {
  // Of the 48 KB that there are without asking, a kernel may have declared some itself.
  constexpr size_t kSharedWithoutAsking = 16 * 1024;
  if (shape.shared_bytes > kSharedWithoutAsking) {
    TRELLIS_CUDA_CHECK(cudaFuncSetAttribute(
        reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
        static_cast<int>(shape.shared_bytes)
    ));
  }
  std::array<cudaLaunchAttribute, 2> attributes{};
  cudaLaunchConfig_t config{};
  if (shape.overlap) {
    cudaLaunchAttribute& overlap = attributes[config.numAttrs++];
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
  }
  if (shape.cluster_ctas > 1) {
    cudaLaunchAttribute& cluster = attributes[config.numAttrs++];
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim.x = shape.cluster_ctas;
    cluster.val.clusterDim.y = 1;
    cluster.val.clusterDim.z = 1;
  }
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  config.attrs = attributes.data();
  TRELLIS_CUDA_CHECK(cudaLaunchKernelEx(
      &config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...
  ));
}

}  // namespace trellis::cuda
