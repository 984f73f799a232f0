#include "backend/cuda/device_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// From driver_types.h, whose numbers are part of the runtime's interface.
constexpr int kErrorInitialization = 3;
constexpr int kErrorInsufficientDriver = 35;
constexpr int kErrorNoDevice = 100;

TEST(CudaDeviceInfo, WritesVersionsAsPeopleDo) {
  EXPECT_EQ(cuda::version_text(13000), "13.0");
  EXPECT_EQ(cuda::version_text(12080), "12.8");
  EXPECT_EQ(cuda::version_text(0), "");
}

TEST(CudaDeviceInfo, SaysWhyThereIsNoGpu) {
  EXPECT_THAT(
      cuda::missing_gpu_reason(kErrorInsufficientDriver, 0, 13000), HasSubstr("no NVIDIA driver")
  );
  EXPECT_THAT(
      cuda::missing_gpu_reason(kErrorInsufficientDriver, 12040, 13000),
      AllOf(HasSubstr("too old"), HasSubstr("12.4"), HasSubstr("13.0"))
  );
  EXPECT_THAT(
      cuda::missing_gpu_reason(kErrorInitialization, 13000, 13000),
      HasSubstr("initialization error")
  );
}

TEST(CudaDeviceInfo, NamesTheVariableThatHidesEveryGpu) {
  ::setenv("CUDA_VISIBLE_DEVICES", "7", 1);
  const std::string hidden = cuda::missing_gpu_reason(kErrorNoDevice, 13000, 13000);
  ::unsetenv("CUDA_VISIBLE_DEVICES");

  EXPECT_THAT(hidden, HasSubstr("CUDA_VISIBLE_DEVICES is \"7\""));
  EXPECT_THAT(cuda::missing_gpu_reason(kErrorNoDevice, 13000, 13000), Not(HasSubstr("VISIBLE")));
}

TEST(CudaDeviceInfo, HasEitherGpusOrAReason) {
  const GpuList list = list_cuda_gpus();

  EXPECT_EQ(list.gpus.empty(), !list.reason.empty());
  EXPECT_THAT(list.cuda_runtime, Not(IsEmpty()));
  EXPECT_EQ(available_cuda_memory(-1), std::nullopt);
}

}  // namespace
}  // namespace trellis
