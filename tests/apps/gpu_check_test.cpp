// `trellis gpu-check` where there is no GPU: on the CPU backend, which it can check as well.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "apps/trellis/gpu_check/gpu_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::HasSubstr;

ProgramResult check_cpu(const std::string& out, const std::string& model) {
  return run_program(
      {"gpu-check", "--backend", "cpu", "--out", out, "--only", "models,determinism", "--models",
       model}
  );
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(GpuCheck, ReportsWhatItChecked) {
  const TemporaryDirectory directory;
  const std::string out = (directory.path() / "report").string();

  const ProgramResult result = check_cpu(out, kTinyModel);

  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json report = read_json_file(out + "/report.json");
  EXPECT_EQ(report["passed"], true);
  EXPECT_EQ(report["machine"]["backend"], "cpu");
  EXPECT_EQ(report["sections"].size(), 2U);
  EXPECT_EQ(report["checks"].size(), 6U);
  EXPECT_THAT(text_of(out + "/report.md"), HasSubstr("6 of 6 checks passed"));
}

TEST(GpuCheck, FailsWhereAModelSaysOtherTokensAndGoesOn) {
  const TemporaryDirectory directory;
  const ModelCopy model;
  Json golden = read_json_file(kTinyModel + "/golden_fp32.json");
  for (Json& prompt : golden) prompt["greedy_ids"][0] = 5;
  model.write("golden_fp32.json", golden.dump());
  const std::string out = (directory.path() / "report").string();

  const ProgramResult result = check_cpu(out, model.path());

  EXPECT_EQ(result.exit_code, 1);
  const Json report = read_json_file(out + "/report.json");
  EXPECT_EQ(report["passed"], false);
  EXPECT_EQ(report["checks"].front()["passed"], false);
  EXPECT_EQ(report["checks"].back()["section"], "determinism");
  EXPECT_EQ(report["checks"].back()["passed"], true);
}

TEST(GpuCheck, SaysWhyThereIsNothingToCheck) {
  const TemporaryDirectory directory;

  const ProgramResult result =
      run_program({"gpu-check", "--out", directory.path().string(), "--models", "/no/such/model"});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("/no/such/model: no such model directory"));
}

TEST(GpuReport, RecordsASectionThatThrowsAndRunsTheNext) {
  const TemporaryDirectory directory;
  GpuReport report(OrderedJson{{"device", "a test"}});

  report.section("first", [&] {
    report.check("good", true, "fine");
    throw std::runtime_error("the device | is gone");
  });
  report.section("second", [&] { report.figure("speed", 12.5, "tokens/s", 0.25); });
  report.write(directory.path());

  EXPECT_EQ(report.num_failed(), 1U);
  const Json document = read_json_file(directory.path() / "report.json");
  EXPECT_EQ(document["passed"], false);
  EXPECT_EQ(document["checks"][1]["section"], "first");
  EXPECT_EQ(document["checks"][1]["detail"], "the device | is gone");
  EXPECT_EQ(document["figures"][0]["value"], 12.5);
  EXPECT_EQ(document["figures"][0]["bandwidth_share"], 0.25);
  const std::string markdown = text_of(directory.path() / "report.md");
  EXPECT_THAT(markdown, HasSubstr("| speed | 12.5 | tokens/s | 25.0 % |"));
  EXPECT_THAT(markdown, HasSubstr("**FAILED** | the device / is gone |"));
}

}  // namespace
}  // namespace trellis
