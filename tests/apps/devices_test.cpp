// `trellis devices`, on machines with and without a GPU.
#include "apps/run_program.h"
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace trellis {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

/// The program's report where the environment hides every GPU.
ProgramResult run_without_gpus(const std::vector<std::string>& arguments) {
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  ProgramResult result = run_program(arguments);
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  return result;
}

TEST(Devices, DescribesTheCpu) {
  const ProgramResult result = run_without_gpus({"devices", "--json"});

  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json cpu = parse_json(result.out, "stdout")["cpu"];
  EXPECT_FALSE(cpu["name"].get<std::string>().empty());
  EXPECT_THAT(cpu["isa"].get<std::string>(), AnyOf("avx512", "avx2", "scalar"));
  EXPECT_GE(cpu["threads"].get<int>(), 1);
  EXPECT_GT(cpu["total_bytes"].get<int64_t>(), cpu["available_bytes"].get<int64_t>());
}

TEST(Devices, SaysInOneSentenceWhyThereIsNoGpu) {
  const ProgramResult report = run_without_gpus({"devices", "--json"});
  const ProgramResult text = run_without_gpus({"devices"});

  ASSERT_EQ(report.exit_code, 0) << report.err;
  const Json document = parse_json(report.out, "stdout");
  EXPECT_TRUE(document["gpus"].empty());
  const auto reason = document["no_gpu_because"].get<std::string>();
  const bool with_cuda = !document["cuda_runtime"].is_null();
  EXPECT_THAT(reason, HasSubstr(with_cuda ? "NVIDIA driver" : "make cuda"));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(StartsWith("CPU "), HasSubstr("\nNo GPU: " + reason + ".\n")));
}

TEST(Devices, AreNotReplacedByOthersWhenOneIsAskedFor) {
  const std::string model = TRELLIS_SOURCE_DIR "/tests/data/models/tiny-1m";

  const ProgramResult result =
      run_without_gpus({"generate", "-m", model, "--prompt", "a", "--backend", "cuda"});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AnyOf(HasSubstr("NVIDIA driver"), HasSubstr("make cuda")));
}

TEST(Devices, NamesAnInstructionSetThatTheMachineLacks) {
  ::setenv("TRELLIS_CPU_ISA", "abacus", 1);
  const ProgramResult result = run_program({"devices"});
  ::unsetenv("TRELLIS_CPU_ISA");

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("abacus"));
}

}  // namespace
}  // namespace trellis
