// Launching kernels, and asking about them.
#pragma once

#include "simt/types.h"

#include <functional>
#include <tuple>
#include <utility>

namespace simt {

/// Runs body() once for each thread of the launch, or records that a capture is to. `kernel` is the
/// address of the kernel, by which its attributes and its name are found.
cudaError_t launch(
    const cudaLaunchConfig_t& config, const void* kernel, std::function<void()> body
);

}  // namespace simt

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(
    const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments
) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  const std::tuple<Parameters...> copies{std::forward<Arguments>(arguments)...};
  return simt::launch(*config, reinterpret_cast<const void*>(kernel), [kernel, copies] {
    std::apply(kernel, copies);
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int* blocks, const void* kernel, int block_threads, size_t dynamic_shared_bytes
);

template <typename... Parameters>
cudaError_t cudaFuncSetAttribute(
    void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value
) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

template <typename... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}

template <typename... Parameters>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int* blocks, void (*kernel)(Parameters...), int block_threads, size_t dynamic_shared_bytes
) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(kernel), block_threads, dynamic_shared_bytes
  );
}
