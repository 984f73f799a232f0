// `trellis gpu-check` where there is no GPU: on the CPU backend, which it can check as well.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "apps/trellis/gpu_check/gpu_report.h"
#include "apps/trellis/gpu_check/sections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

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

TEST(GpuCheck, SaysThatTheCpuHasOneWayForAnyNumberOfRows) {
  const TemporaryDirectory directory;
  const std::string out = directory.path().string();

  run_program({"gpu-check", "--backend", "cpu", "--out", out, "--only", "plan"});

  const Json notes = read_json_file(out + "/report.json")["notes"];
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0]["text"], "this backend computes any number of rows in one way");
}

TEST(GpuCheck, ChecksTheCasesThatAreAskedFor) {
  const TemporaryDirectory directory;
  const std::string out = directory.path().string();

  const ProgramResult result = run_program(
      {"gpu-check", "--backend", "cpu", "--out", out, "--only", "ops", "--cases", "^Rope: "}
  );

  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json report = read_json_file(out + "/report.json");
  ASSERT_EQ(report["checks"].size(), 1U);
  EXPECT_EQ(report["checks"][0]["name"], "Rope");
}

TEST(GpuCheck, SaysWhichCasesItDoesNotKnow) {
  const TemporaryDirectory directory;
  const std::string out = directory.path().string();
  const auto detail_for = [&](const std::string& pattern) {
    const ProgramResult result = run_program(
        {"gpu-check", "--backend", "cpu", "--out", out, "--only", "ops", "--cases", pattern}
    );
    EXPECT_EQ(result.exit_code, 1);
    return read_json_file(out + "/report.json")["checks"][0]["detail"].get<std::string>();
  };

  EXPECT_EQ(detail_for("Nonsense"), "--cases Nonsense: found in the name of no case");
  EXPECT_THAT(detail_for("(Rope"), HasSubstr("--cases (Rope: not a regular expression"));
}

/// A variable of the environment, for the time of a test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// What the section reports where there is no room for random weights.
Json load_report(const std::vector<std::string>& models) {
  const TemporaryDirectory directory;
  const Environment no_room("TMPDIR", "/proc");
  GpuCheckOptions options;
  options.backend = "cpu";
  options.models = models;
  GpuReport report(OrderedJson::object());
  report.section("load", [&] { measure_load(options, report); });
  report.write(directory.path());
  return read_json_file(directory.path() / "report.json");
}

TEST(GpuCheck, TimesLoadingAModelWhereThereIsNoRoomForRandomWeights) {
  const Json report = load_report({kTinyExl3Model, kTinyModel});

  EXPECT_EQ(report["passed"], true);
  const Json& figures = report["figures"];
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures[0]["name"], "load tiny-1m-exl3-3.0bpw, warm file cache, to the first token");
  EXPECT_EQ(figures[0]["unit"], "s");
  EXPECT_GT(figures[0]["value"], 0.0);
  EXPECT_EQ(figures[1]["unit"], "GB/s");
}

TEST(GpuCheck, SaysThatThereIsNothingToLoad) {
  const Json report = load_report({});

  EXPECT_EQ(report["passed"], false);
  EXPECT_THAT(
      report["checks"][0]["detail"].get<std::string>(), HasSubstr("set TMPDIR, or name a model")
  );
}

/// A compute-sanitizer that runs the program and then says what it is told.
class FakeSanitizer {
 public:
  explicit FakeSanitizer(const std::string& summaries) {
    const auto file = directory_.write(
        "compute-sanitizer", "#!/bin/sh\nshift 2\n\"$@\"\ncode=$?\n" + summaries + "\nexit $code\n"
    );
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  std::string path() const { return directory_.path().string() + ":" + std::getenv("PATH"); }

 private:
  TemporaryDirectory directory_;
};

Json sanitizer_report(const std::string& summaries) {
  const TemporaryDirectory directory;
  const FakeSanitizer sanitizer(summaries);
  const std::string out = directory.path().string();
  const Environment path("PATH", sanitizer.path());
  run_program(
      {"gpu-check", "--backend", "cpu", "--out", out, "--only", "sanitizer", "--cases", "^Rope: "}
  );
  return read_json_file(out + "/report.json");
}

TEST(GpuCheck, RunsTheCasesUnderASanitizer) {
  const Json report = sanitizer_report(
      "echo '========= ERROR SUMMARY: 0 errors'\n"
      "echo '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)'"
  );

  ASSERT_EQ(report["checks"].size(), 2U);
  EXPECT_EQ(report["passed"], true) << report.dump(1);
  EXPECT_EQ(report["checks"][0]["name"], "memcheck");
  EXPECT_EQ(
      report["checks"][1]["detail"],
      "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings); exit code of the cases 0"
  );
}

TEST(GpuCheck, FailsOnWhatASanitizerFinds) {
  const Json report = sanitizer_report("echo '========= ERROR SUMMARY: 12 errors'");

  EXPECT_EQ(report["checks"][0]["passed"], false);
  EXPECT_THAT(
      report["checks"][0]["detail"].get<std::string>(), HasSubstr("ERROR SUMMARY: 12 errors")
  );
  EXPECT_EQ(report["checks"][1]["passed"], false);
  EXPECT_THAT(report["checks"][1]["detail"].get<std::string>(), HasSubstr("no summary"));
}

TEST(GpuReport, RecordsASectionThatThrowsAndRunsTheNext) {
  const TemporaryDirectory directory;
  GpuReport report(OrderedJson{{"device", "a test"}});

  report.section("first", [&] {
    report.check("good", true, "fine");
    throw std::runtime_error("the device | is gone");
  });
  report.section("second", [&] {
    report.figure("speed", 12.5, "tokens/s", 0.25);
    report.note("there is no tool");
  });
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
  EXPECT_THAT(markdown, HasSubstr("- second: there is no tool"));
  EXPECT_EQ(document["notes"][0]["text"], "there is no tool");
  EXPECT_THAT(markdown, HasSubstr("**FAILED** | the device / is gone |"));
}

}  // namespace
}  // namespace trellis
