// The verb `trellis bench-serve`, as a user runs it.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "apps/server_program.h"
#include "apps/terminal_program.h"
#include "base/json.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class BenchServe : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new ServerProgram({"-m", kTinyModel, "--backend", "cpu", "--threads", "1"});
  }
  static void TearDownTestSuite() { delete server_; }

  static std::string url() { return "http://127.0.0.1:" + std::to_string(server_->port()); }

  static ProgramResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bench-serve", url()});
    return run_program(arguments);
  }

  TemporaryDirectory folder_;
  inline static ServerProgram* server_ = nullptr;
};

TEST_F(BenchServe, CountsTheTokensThatItAskedFor) {
  const auto json_file = folder_.path() / "load.json";
  const auto html_file = folder_.path() / "load.html";

  const ProgramResult result = run(
      {"--requests", "6", "--rate", "200", "--input-tokens", "8", "--output-tokens", "3", "--json",
       json_file.string(), "--html", html_file.string()}
  );

  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("completed 6, failed 0"), HasSubstr("time to first")));
  const Json json = Json::parse(read_file(json_file));
  EXPECT_EQ(json["completed"], 6);
  EXPECT_EQ(json["prompt_tokens"], 6 * 8);
  EXPECT_EQ(json["output_tokens"], 6 * 3);
  EXPECT_EQ(json["rate_per_s"], 200);
  EXPECT_EQ(json["records"].size(), 6U);
  EXPECT_GT(json["end_to_end_s"]["p50"], 0);
  EXPECT_LE(json["time_to_first_token_s"]["p50"], json["end_to_end_s"]["p50"]);
  const std::string page = read_file(html_file);
  EXPECT_THAT(page, AllOf(HasSubstr("<circle"), HasSubstr("<polyline"), HasSubstr("completed 6")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("src="))));
}

TEST_F(BenchServe, TakesADatasetAndCountsErrorsByKind) {
  const std::string dataset =
      folder_
          .write(
              "d.jsonl",
              "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n"
              "{\"messages\": [{\"role\": \"nobody\", \"content\": \"hi\"}]}\n"
          )
          .string();

  const ProgramResult result =
      run({"--requests", "4", "--dataset", dataset, "--output-tokens", "2"});

  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("completed 2, failed 2"));
  EXPECT_THAT(result.out, HasSubstr("2 x HTTP 400 invalid_value"));
}

TEST_F(BenchServe, PrintsWhatThereIsOnCtrlC) {
  // The second request would arrive minutes later.
  TerminalProgram program(
      {"bench-serve", url(), "--requests", "2", "--rate", "0.001", "--input-tokens", "4",
       "--output-tokens", "2"}
  );
  program.read_until(" 50%");

  program.type("\x03");

  program.read_until("completed 1, failed 0, not finished 1");
  EXPECT_EQ(program.wait(), 0);
}

TEST_F(BenchServe, FailsWhereNothingWasCompleted) {
  const std::string dataset = folder_.write("d.jsonl", "{\"prompt\": \"a\"}\n").string();

  const ProgramResult result = run({"--requests", "2", "--dataset", dataset, "--model", "none"});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("2 x HTTP 404 model_not_found"));
}

TEST_F(BenchServe, RefusesWhatItCannotUse) {
  expect_failure(run({"--rate", "0"}), 2, HasSubstr("--rate: expected requests a second"));
  expect_failure(run({"--input-tokens", "9:1"}), 1, HasSubstr("--input-tokens: expected"));
  expect_failure(run({"--dataset", "/no/such"}), 1, HasSubstr("/no/such cannot be read"));
  expect_failure(run({"--requests", "0"}), 2, HasSubstr("whole number from 1"));
  expect_failure(run({"--model", "none"}), 1, HasSubstr("HTTP 404 model_not_found"));
  expect_failure(run_program({"bench-serve", "nowhere"}), 1, HasSubstr("URL of a server"));
}

}  // namespace
}  // namespace trellis
