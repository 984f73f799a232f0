// What the tests of the emulation share: arrays in device memory, and launches.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace trellis::simt_test {

/// An array in device memory.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(T)), cudaSuccess);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    const size_t bytes = count_ * sizeof(T);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), bytes, cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return data_; }
  std::vector<T> values() const {
    std::vector<T> values(count_);
    const size_t bytes = count_ * sizeof(T);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

struct Shape {
  dim3 grid = 1;
  dim3 block = 32;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  unsigned cluster = 1;
};

template <typename... Parameters>
cudaError_t run(
    const Shape& shape, void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments
) {
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {shape.cluster, 1, 1};
  const cudaLaunchConfig_t config{
      .gridDim = shape.grid,
      .blockDim = shape.block,
      .dynamicSmemBytes = shape.shared_bytes,
      .stream = shape.stream,
      .attrs = &cluster,
      .numAttrs = shape.cluster > 1 ? 1u : 0u,
  };
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace trellis::simt_test
