// Expectations from the compatibility rules of the CUDA Programming Guide.
#include "backend/cuda/architectures.h"

#include <gtest/gtest.h>

namespace trellis::cuda {
namespace {

TEST(CudaArchitectures, MachineCodeRunsOnItsMajorVersionFromItsMinorVersionOn) {
  EXPECT_TRUE(runs_on("80", 8, 0));
  EXPECT_TRUE(runs_on("80", 8, 9));
  EXPECT_TRUE(runs_on("86", 8, 9));
  EXPECT_FALSE(runs_on("86", 8, 0));
  EXPECT_FALSE(runs_on("89", 9, 0));
  EXPECT_FALSE(runs_on("90", 10, 0));
}

TEST(CudaArchitectures, CodeForOneGpuRunsOnThatGpuAlone) {
  EXPECT_TRUE(runs_on("90a", 9, 0));
  EXPECT_TRUE(runs_on("120a", 12, 0));
  EXPECT_FALSE(runs_on("120a", 12, 1));
  EXPECT_FALSE(runs_on("90a", 10, 0));
}

TEST(CudaArchitectures, PtxRunsOnEveryLaterGpu) {
  EXPECT_TRUE(runs_on("120-virtual", 12, 0));
  EXPECT_TRUE(runs_on("120-virtual", 12, 1));
  EXPECT_TRUE(runs_on("80-virtual", 12, 0));
  EXPECT_FALSE(runs_on("120-virtual", 10, 3));
}

TEST(CudaArchitectures, OneOfAListIsEnough) {
  EXPECT_TRUE(any_runs_on("80,86,89,90a,120a,120-virtual", 9, 0));
  EXPECT_TRUE(any_runs_on("80,86,89,90a,120a,120-virtual", 12, 1));
  EXPECT_FALSE(any_runs_on("80,86,89,90a,120a,120-virtual", 7, 5));
  EXPECT_FALSE(any_runs_on("80,86,89,90a,120a,120-virtual", 10, 0));
  EXPECT_TRUE(any_runs_on("90a", 9, 0));
  EXPECT_FALSE(any_runs_on("90a", 8, 6));
}

TEST(CudaArchitectures, CodeForTheFeaturesOfAGpuIsNamedAsSuch) {
  EXPECT_TRUE(any_is("80,86,90a,120-virtual", "90a"));
  EXPECT_TRUE(any_is("90a", "90a"));
  EXPECT_FALSE(any_is("80,90,90-virtual", "90a"));
  EXPECT_FALSE(any_is("", "90a"));
}

}  // namespace
}  // namespace trellis::cuda
