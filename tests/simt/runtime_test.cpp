#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace trellis::simt_test {
namespace {

class SimtRuntime : public testing::Test {
 protected:
  SimtRuntime() {
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    EXPECT_EQ(cudaStreamCreate(&other_), cudaSuccess);
    EXPECT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), cudaSuccess);
  }
  ~SimtRuntime() override {
    cudaStreamDestroy(stream_);
    cudaStreamDestroy(other_);
    cudaEventDestroy(event_);
    simt::set_device({});
    simt::reset_errors();
  }

  cudaStream_t stream_ = nullptr;
  cudaStream_t other_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(SimtRuntime, PresentsTheDeviceThatATestChooses) {
  simt::set_device({.compute_major = 8, .compute_minor = 6, .multiprocessors = 82});

  int count = 0;
  cudaDeviceProp properties{};
  int major = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), cudaSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_STREQ(properties.name, "SIMT emulation");
  EXPECT_EQ(properties.minor, 6);
  EXPECT_EQ(properties.multiProcessorCount, 82);
  EXPECT_EQ(major, 8);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
}

TEST_F(SimtRuntime, MemoryIsPoisonedCountedAndFinite) {
  simt::set_device({.memory_bytes = 1000});
  size_t available = 0;
  size_t total = 0;
  {
    DeviceArray<unsigned char> array(600);
    EXPECT_EQ(array.values()[599], 0xFF);
    EXPECT_EQ(cudaMemGetInfo(&available, &total), cudaSuccess);
    EXPECT_EQ(available, 400u);
    EXPECT_EQ(total, 1000u);
    void* more = nullptr;
    EXPECT_EQ(cudaMalloc(&more, 401), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
  EXPECT_EQ(cudaMemGetInfo(&available, &total), cudaSuccess);
  EXPECT_EQ(available, 1000u);
}

TEST_F(SimtRuntime, CopiesBeyondAnAllocationAreRefused) {
  DeviceArray<int> array(4);
  int host[8] = {};

  EXPECT_EQ(cudaMemcpy(array.data(), host, 17, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, array.data() + 1, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, host + 4, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(array.data(), 0, 17), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(array.data(), 0, 16), cudaSuccess);
}

TEST_F(SimtRuntime, CopiesRowsOfDifferentPitch) {
  DeviceArray<int> array(std::vector<int>{1, 2, 3, 4, 5, 6});
  std::vector<int> rows(4);

  EXPECT_EQ(
      cudaMemcpy2D(rows.data(), 8, array.data() + 1, 12, 8, 2, cudaMemcpyDeviceToHost), cudaSuccess
  );
  EXPECT_EQ(rows, (std::vector<int>{2, 3, 5, 6}));
  EXPECT_EQ(
      cudaMemcpy2D(rows.data(), 8, array.data() + 2, 12, 8, 2, cudaMemcpyDeviceToHost),
      cudaErrorInvalidValue
  );
}

TEST_F(SimtRuntime, ACaptureRunsOnlyWhenItIsReplayed) {
  const std::vector<float> ones(64, 1.0f);
  DeviceArray<float> in(ones);
  DeviceArray<float> sum(std::vector<float>{0.0f});

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(
      run({.block = 32, .stream = stream_}, block_sum, in.data(), 64, sum.data()), cudaSuccess
  );
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  EXPECT_EQ(sum.values()[0], 0.0f);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);

  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(sum.values()[0], 128.0f);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
}

TEST_F(SimtRuntime, ACaptureFollowsEventsIntoOtherStreams) {
  DeviceArray<float> in(std::vector<float>(32, 1.0f));
  DeviceArray<float> sum(std::vector<float>{5.0f});

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(sum.data(), 0, sizeof(float), stream_), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other_, event_), cudaSuccess);
  EXPECT_EQ(run({.stream = other_}, block_sum, in.data(), 32, sum.data()), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(stream_, event_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  EXPECT_EQ(sum.values()[0], 5.0f);
  EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);

  EXPECT_EQ(sum.values()[0], 32.0f);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(SimtRuntime, ACaptureThatLeavesAStreamBehindFails) {
  DeviceArray<float> sum(1);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other_, event_), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(sum.data(), 0, sizeof(float), other_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);
}

TEST_F(SimtRuntime, WaitingInsideACaptureInvalidatesIt) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 16), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
}

TEST_F(SimtRuntime, EventsMeasureOnlyWhereTheyMay) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&end), cudaSuccess);
  float milliseconds = -1.0f;

  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(start, stream_), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(end, stream_), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
  EXPECT_GE(milliseconds, 0.0f);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, event_), cudaErrorInvalidResourceHandle);

  EXPECT_EQ(cudaEventDestroy(start), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
}

TEST_F(SimtRuntime, OccupancyFollowsThreadsAndSharedMemory) {
  int blocks = 0;
  EXPECT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, block_sum, 256, 0), cudaSuccess);
  EXPECT_EQ(blocks, 8);
  EXPECT_EQ(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, block_sum, 256, 44 << 10), cudaSuccess
  );
  EXPECT_EQ(blocks, 5);
}

}  // namespace
}  // namespace trellis::simt_test
