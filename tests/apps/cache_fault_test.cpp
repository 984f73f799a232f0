// `trellis serve --cache-dir` when it is killed, when its disk is full, and when its files were
// damaged: it answers as it would have without, and says what is so.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "apps/server_program.h"
#include "base/json.h"
#include "base/temporary_directory.h"
#include "cache/page_file.h"
#include "server/raw_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

namespace trellis {
namespace {

using server::exchange;
using server::get;
using server::RawClient;
using testing::HasSubstr;

/// A prompt of more than one page of tokens that has nothing in common with those of other numbers.
std::string prompt(int number) {
  std::string text;
  for (int i = 0; i < 330; ++i)
    text += static_cast<char>('A' + (i * 7 + number * 11 + i / 26) % 26);
  return text;
}

std::string completion(int number) {
  const Json body = {
      {"model", "tiny-1m"}, {"prompt", prompt(number)}, {"max_tokens", 8}, {"temperature", 0}
  };
  return server::post("/v1/completions", body.dump());
}

struct Answered {
  std::string text;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
};

Answered ask(const ServerProgram& program, int number) {
  const server::RawResponse response = exchange(program.port(), completion(number));
  EXPECT_EQ(response.status, 200) << response.body;
  const Json json = Json::parse(response.body);
  const Json& usage = json["usage"];
  return {
      json["choices"][0]["text"], usage["prompt_tokens"],
      usage["prompt_tokens_details"]["cached_tokens"]
  };
}

class CacheFaults : public testing::Test {
 protected:
  std::vector<std::string> arguments() const {
    return {"-m", kTinyModel, "--backend", "cpu", "--threads", "1", "--cache-dir", cache_.string()};
  }
  /// How many files of pages there are.
  size_t num_pages() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(cache_)) {
      if (entry.path().extension() == ".page") ++count;
    }
    return count;
  }

  TemporaryDirectory folder_;
  std::filesystem::path cache_ = folder_.path() / "cache";
};

TEST_F(CacheFaults, AServerThatWasKilledWhileItWroteStartsWithWhatIsWhole) {
  constexpr int kNumPrompts = 6;
  std::vector<std::string> expected;
  {
    const ServerProgram without({"-m", kTinyModel, "--backend", "cpu"});
    for (int i = 0; i < kNumPrompts; ++i) expected.push_back(ask(without, i).text);
  }
  int64_t num_cached = 0;
  // Killed sooner or later after a page was computed, that is, before, while or after it is
  // written.
  for (int round = 0; round < kNumPrompts; ++round) {
    ServerProgram program(arguments());
    for (int i = 0; i < round; ++i) {
      const Answered answered = ask(program, i);
      EXPECT_GT(answered.prompt_tokens, 256);
      EXPECT_EQ(answered.text, expected[static_cast<size_t>(i)]);
      EXPECT_TRUE(answered.cached_tokens == 0 || answered.cached_tokens == 256)
          << answered.cached_tokens;
      num_cached += answered.cached_tokens;
    }
    RawClient client(program.port());
    client.send(completion(round));
    client.read_through("\"usage\"");
    std::this_thread::sleep_for(std::chrono::microseconds(round * 700));
    program.signal(SIGKILL);
    program.wait();
    EXPECT_EQ(program.log().find("damaged"), std::string::npos) << program.log();
  }
  EXPECT_GT(num_cached, 0);

  ServerProgram last(arguments());
  for (int i = 0; i < kNumPrompts; ++i) {
    EXPECT_EQ(ask(last, i).text, expected[static_cast<size_t>(i)]);
  }
  last.signal(SIGTERM);
  EXPECT_EQ(last.wait(), 0);
  // A full page and a part for each: those were killed before they could write parts.
  EXPECT_EQ(num_pages(), 2 * static_cast<size_t>(kNumPrompts));
  for (const auto& entry : std::filesystem::directory_iterator(cache_)) {
    EXPECT_NE(entry.path().extension(), ".tmp");
  }
}

TEST_F(CacheFaults, AServerWhoseDiskIsFullAnswersAndSaysSoOnce) {
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {100'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  ServerProgram program(arguments());
  setrlimit(RLIMIT_FSIZE, &before);

  for (const int number : {0, 1, 0, 2}) EXPECT_GT(ask(program, number).prompt_tokens, 256);

  EXPECT_EQ(exchange(program.port(), get("/health")).status, 200);
  EXPECT_THAT(
      exchange(program.port(), get("/metrics")).body,
      HasSubstr("trellis:cache_tier_pages{model_name=\"tiny-1m\",tier=\"disk\"} 0\n")
  );
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 0);
  const std::string log = program.log();
  const size_t first = log.find(".tmp: cannot be written");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find(".tmp: cannot be written", first + 1), std::string::npos) << log;
  EXPECT_EQ(num_pages(), 0u);
}

TEST_F(CacheFaults, AServerWhoseFilesWereDamagedComputesThemAnew) {
  std::string expected;
  {
    ServerProgram program(arguments());
    expected = ask(program, 0).text;
    ask(program, 1);
    program.signal(SIGTERM);
    EXPECT_EQ(program.wait(), 0);
  }
  ASSERT_EQ(num_pages(), 4u);
  int number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(cache_)) {
    if (entry.path().extension() != ".page" || !read_page_header(entry.path()).content.is_full()) {
      continue;
    }
    // One header, one payload.
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(number++ == 0 ? 300 : 30'000) << "damage";
  }

  ServerProgram program(arguments());
  for (const int prompt : {0, 1}) EXPECT_EQ(ask(program, prompt).cached_tokens, 0);
  EXPECT_EQ(ask(program, 0).text, expected);

  EXPECT_EQ(exchange(program.port(), get("/health")).status, 200);
  EXPECT_THAT(program.log(), HasSubstr("skips 1 damaged files"));
  EXPECT_THAT(program.log(), HasSubstr("damaged payload"));
}

TEST_F(CacheFaults, TwoServersDoNotShareADirectory) {
  const ServerProgram program(arguments());
  std::vector<std::string> words = arguments();
  words.insert(words.begin(), {"serve", "--port", "0", "--log-level", "warn"});

  expect_failure(run_program(words), 1, HasSubstr("is used by another process"));
  ask(program, 0);
}

}  // namespace
}  // namespace trellis
