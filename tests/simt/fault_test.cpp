#include "simt/device_array.h"
#include "simt/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace trellis::simt_test {
namespace {

using testing::HasSubstr;

class SimtFault : public testing::Test {
 protected:
  ~SimtFault() override { simt::reset_errors(); }

  std::string message() const { return cudaGetErrorString(cudaErrorLaunchFailure); }

  DeviceArray<int> out_{256};
};

TEST_F(SimtFault, ALaneThatLeftIsMissedByTheOthers) {
  EXPECT_EQ(run({.grid = 2}, leave_before_shuffle, out_.data()), cudaErrorLaunchFailure);

  EXPECT_THAT(message(), HasSubstr("trellis::simt_test::leave_before_shuffle"));
  EXPECT_THAT(message(), HasSubstr("block (0, 0, 0): no thread can go on"));
  EXPECT_THAT(
      message(), HasSubstr("threads 0-2 wait in __shfl_sync(mask 0xffffffff) at faulty_kernels.cu:")
  );
  EXPECT_THAT(message(), HasSubstr("threads 3-3 have ended; threads 4-31 wait"));
}

TEST_F(SimtFault, ABarrierIsReportedWithTheThreadsThatWaitElsewhere) {
  EXPECT_EQ(run({.block = 96}, skip_barrier_in_one_warp, out_.data()), cudaErrorLaunchFailure);

  EXPECT_THAT(message(), HasSubstr("threads 0-31 wait in __syncthreads at faulty_kernels.cu:"));
  EXPECT_THAT(message(), HasSubstr("threads 33-33 wait in __syncwarp(mask 0x00000003)"));
}

TEST_F(SimtFault, ThreadsThatLeftCountAtABarrier) {
  EXPECT_EQ(run({.block = 64}, leave_before_barrier, out_.data()), cudaSuccess);

  EXPECT_EQ(out_.values()[31], 1);
}

TEST_F(SimtFault, ABarrierOfAClusterIsReportedWithTheThreadsThatWaitElsewhere) {
  EXPECT_EQ(
      run({.grid = 2, .cluster = 2}, skip_cluster_barrier_in_one_block, out_.data()),
      cudaErrorLaunchFailure
  );

  EXPECT_THAT(message(), HasSubstr("threads 0-32 wait in cluster_barrier at faulty_kernels.cu:"));
  EXPECT_THAT(message(), HasSubstr("threads 33-33 wait in __syncwarp(mask 0x00000003)"));
}

TEST_F(SimtFault, ABlockBeyondTheClusterIsNamed) {
  EXPECT_EQ(
      run({.grid = 2, .cluster = 2}, store_beyond_cluster, out_.data()), cudaErrorLaunchFailure
  );

  EXPECT_THAT(message(), HasSubstr("block 2 of a cluster of 2 at faulty_kernels.cu:"));
}

TEST_F(SimtFault, AnUnalignedSharedAddressNamesTheThread) {
  EXPECT_EQ(run({.block = 1}, read_unaligned_shared_memory, out_.data()), cudaErrorLaunchFailure);

  EXPECT_THAT(message(), HasSubstr("thread (0, 0, 0): shared address 0x4"));
  EXPECT_THAT(message(), HasSubstr("is not aligned for 16 bytes at faulty_kernels.cu:"));
}

TEST_F(SimtFault, AWaitForBytesThatNobodyCopiesIsADeadlock) {
  EXPECT_EQ(run({.block = 1}, wait_for_bytes_that_never_come, out_.data()), cudaErrorLaunchFailure);

  EXPECT_THAT(message(), HasSubstr("wait in mbarrier_try_wait_parity at faulty_kernels.cu:"));
}

TEST_F(SimtFault, AFailureStays) {
  ASSERT_EQ(run({}, leave_before_shuffle, out_.data()), cudaErrorLaunchFailure);

  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 16), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

TEST_F(SimtFault, AFailedKernelLeavesNothingBehind) {
  ASSERT_EQ(run({.block = 64}, leave_before_shuffle, out_.data()), cudaErrorLaunchFailure);
  simt::reset_errors();

  EXPECT_EQ(run({.block = 64}, exchange_with_barrier, out_.data()), cudaSuccess);
  EXPECT_EQ(out_.values()[10], 53 + 2);
}

TEST_F(SimtFault, LaunchesBeyondTheDevicesLimitsAreRefused) {
  EXPECT_EQ(run({.block = 1025}, write_global, 0, out_.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(run({.grid = dim3(1, 0)}, write_global, 0, out_.data()), cudaErrorInvalidConfiguration);
  EXPECT_EQ(run({.shared_bytes = 49153}, write_global, 0, out_.data()), cudaErrorInvalidValue);
  for (const unsigned cluster : {3u, 16u}) {
    EXPECT_EQ(
        run({.grid = 16, .cluster = cluster}, write_global, 0, out_.data()),
        cudaErrorInvalidConfiguration
    );
  }
  EXPECT_EQ(
      cudaFuncSetAttribute(
          write_global, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024 + 1
      ),
      cudaErrorInvalidValue
  );
}

TEST_F(SimtFault, VariablesCountToTheSharedMemoryOfALaunch) {
  const Shape shape{.block = 1, .shared_bytes = 49152 - 16};
  EXPECT_EQ(run(shape, overrun_shared_array, 4, out_.data()), cudaErrorLaunchFailure);
  EXPECT_THAT(message(), HasSubstr("bytes of shared memory, of which 49136 are dynamic"));

  simt::reset_errors();
  const auto asked = cudaFuncAttributeMaxDynamicSharedMemorySize;
  EXPECT_EQ(cudaFuncSetAttribute(overrun_shared_array, asked, 49136), cudaSuccess);
  EXPECT_EQ(run(shape, overrun_shared_array, 4, out_.data()), cudaSuccess);
}

#if defined(__SANITIZE_ADDRESS__)

using SimtFaultDeathTest = SimtFault;

TEST_F(SimtFaultDeathTest, OverrunningASharedArrayIsSeen) {
  EXPECT_EQ(run({.block = 1}, overrun_shared_array, 4, out_.data()), cudaSuccess);
  EXPECT_DEATH(run({.block = 1}, overrun_shared_array, 5, out_.data()), "heap-buffer-overflow");
}

TEST_F(SimtFaultDeathTest, OverrunningDynamicSharedMemoryIsSeen) {
  const Shape shape{.block = 1, .shared_bytes = 20};
  EXPECT_EQ(run(shape, overrun_dynamic_shared_memory, 4, out_.data()), cudaSuccess);
  EXPECT_DEATH(run(shape, overrun_dynamic_shared_memory, 5, out_.data()), "heap-buffer-overflow");
}

TEST_F(SimtFaultDeathTest, OverrunningDeviceMemoryIsSeen) {
  EXPECT_DEATH(run({.block = 1}, write_global, 256, out_.data()), "heap-buffer-overflow");
}

#endif

#if defined(__SANITIZE_THREAD__)

class SimtFaultDeathTest : public SimtFault {
 protected:
  // A forked process could start no fibers.
  SimtFaultDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  /// Runs a kernel and ends the process, with what the thread sanitizer has to say.
  template <typename... Arguments>
  [[noreturn]] void run_and_abort(Arguments... arguments) {
    run(arguments...);
    std::abort();
  }
};

TEST_F(SimtFaultDeathTest, ARaceInSharedMemoryIsSeen) {
  EXPECT_DEATH(
      run_and_abort(Shape{.block = 64}, exchange_without_barrier, out_.data()), "data race"
  );
}

TEST_F(SimtFaultDeathTest, ARaceWithinAWarpIsSeen) {
  EXPECT_DEATH(
      run_and_abort(Shape{.block = 64}, exchange_within_warp, false, out_.data()), "data race"
  );
}

TEST_F(SimtFaultDeathTest, ARaceInDeviceMemoryIsSeen) {
  EXPECT_DEATH(run_and_abort(Shape{.block = 2}, write_global, 0, out_.data()), "data race");
}

TEST_F(SimtFaultDeathTest, KernelsThatSynchroniseAreLeftInPeace) {
  EXPECT_EXIT(
      {
        run({.block = 64}, exchange_with_barrier, out_.data());
        run({.block = 64}, exchange_within_warp, true, out_.data());
        std::exit(0);  // the thread sanitizer changes the status after a report
      },
      testing::ExitedWithCode(0), ""
  );
}

#endif

}  // namespace
}  // namespace trellis::simt_test
