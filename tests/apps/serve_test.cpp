// The verb `trellis serve`: its process, its signals, its files. What a connection may do is tested
// in tests/server.
#include "apps/model_copy.h"
#include "apps/run_program.h"
#include "apps/server_program.h"
#include "base/temporary_directory.h"
#include "server/raw_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace trellis {
namespace {

using server::exchange;
using server::get;
using server::RawClient;
using testing::AllOf;
using testing::HasSubstr;

// FIPS 180-2, appendix B.1: SHA-256 of "abc".
constexpr const char* kHashOfAbc =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Serve, SaysWhereItListensAndEndsWithZeroOnSigterm) {
  ServerProgram program({"-m", kTinyModel});

  EXPECT_THAT(program.first_line(), HasSubstr(" at http://127.0.0.1:"));
  EXPECT_EQ(exchange(program.port(), get("/health")).status, 200);
  EXPECT_EQ(exchange(program.port(), get("/ready", "X-Request-Id: mine\r\n")).status, 200);
  program.signal(SIGTERM);

  EXPECT_EQ(program.wait(), 0);
  EXPECT_THAT(program.log(), HasSubstr("GET /ready 200 "));
  EXPECT_THAT(program.log(), HasSubstr("id=mine"));
}

TEST(Serve, HasThePageBesideTheApi) {
  ServerProgram program({"-m", kTinyModel});

  EXPECT_EQ(exchange(program.port(), get("/")).headers["content-type"], "text/html; charset=utf-8");
  EXPECT_THAT(exchange(program.port(), get("/v1/models")).body, HasSubstr("\"tiny-1m\""));
}

TEST(Serve, EndsAtOnceOnASecondSignal) {
  ServerProgram program({"-m", kTinyModel, "--header-seconds", "1000", "--drain-seconds", "1000"});
  RawClient halfway(program.port());
  halfway.send("GET /health HTTP/1.1\r\n");
  // Answered when halfway has been accepted, for connections are accepted in order.
  RawClient idle(program.port());
  idle.send(get("/health"));
  ASSERT_EQ(idle.read_response().status, 200);

  program.signal(SIGINT);
  EXPECT_EQ(idle.read_all(), "") << "the first signal closes what is idle";
  program.signal(SIGTERM);

  EXPECT_EQ(program.wait(), 130);
}

TEST(Serve, HasTheModelsOfADirectory) {
  const TemporaryDirectory folder;
  const auto copy = std::filesystem::copy_options::recursive;
  std::filesystem::copy(kTinyModel, folder.path() / "plain", copy);
  std::filesystem::copy(kTinyExl3Model, folder.path() / "quantized", copy);
  ServerProgram program(
      {"--models-dir", folder.path().string(), "--backend", "cpu", "--context", "256",
       "--default-model", "quantized"}
  );
  const auto complete = [&](const std::string& model) {
    return exchange(
        program.port(),
        server::post("/v1/completions", R"({"prompt": "a", "max_tokens": 1)" + model + "}")
    );
  };

  EXPECT_THAT(program.first_line(), HasSubstr(folder.path().string() + " at http://127.0.0.1:"));
  EXPECT_EQ(exchange(program.port(), get("/ready")).status, 200);
  EXPECT_THAT(complete("").body, HasSubstr("\"model\":\"quantized\""));
  EXPECT_THAT(complete(R"(, "model": "plain")").body, HasSubstr("\"model\":\"plain\""));
  EXPECT_EQ(complete(R"(, "model": "other")").status, 404);
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 0);
}

TEST(Serve, EndsWithZeroOnSigtermDuringALoad) {
  ServerProgram program({"--models-dir", TRELLIS_SOURCE_DIR "/models", "--backend", "cpu"});
  RawClient waiting(program.port());
  waiting.send(server::post("/v1/model/load", R"({"model": "demo-25m-exl3-4.0bpw"})"));
  EXPECT_THAT(waiting.read_through("\n\n"), HasSubstr("\"state\":\""));

  program.signal(SIGTERM);

  EXPECT_EQ(program.wait(), 0);
}

TEST(Serve, EndsWhereItsModelCannotBeLoaded) {
  const ModelCopy broken;
  broken.truncate_weights(1000);

  const ProgramResult result = run_program(
      {"serve", "-m", broken.path(), "--port", "0", "--backend", "cpu", "--log-level", "warn"}
  );

  expect_failure(result, 1, HasSubstr("model.safetensors"));
  EXPECT_EQ(result.out, "");
}

class ServeFiles : public testing::Test {
 protected:
  std::string write(const char* name, const std::string& text) const {
    return folder_.write(name, text).string();
  }

  TemporaryDirectory folder_;
};

TEST_F(ServeFiles, ConfigurationSetsWhatTheCommandLineDoesNot) {
  const std::string keys = write("keys.txt", std::string("user ") + kHashOfAbc + " alice\n");
  const std::string config = write(
      "trellis.toml", "# a comment\nmodel = \"" + std::string(kTinyModel) + "\"\nport = 1\n" +
                          "key-file = \"" + keys + "\"\nmax-body-mib = 1\ndrain-seconds = 0.5\n" +
                          "cors-origin = [\"https://a.example\", \"https://b.example\"]\n" +
                          "deterministic = true\n"
  );
  ServerProgram program({"--config", config});

  const std::string key = "x-api-key: abc\r\nOrigin: https://b.example\r\n";
  EXPECT_EQ(exchange(program.port(), get("/health")).status, 200);
  server::RawResponse response = exchange(program.port(), get("/health", key));
  EXPECT_EQ(response.headers["access-control-allow-origin"], "https://b.example");
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_THAT(program.log(), HasSubstr("key=alice"));
}

TEST_F(ServeFiles, ConfigurationErrorsNameTheLine) {
  const auto refusal = [&](const std::string& line) {
    const std::string config = write("trellis.toml", "threads = 1\n" + line + "\n");
    return run_program({"serve", "--config", config});
  };

  expect_failure(refusal("prot = 80"), 2, HasSubstr("trellis.toml:2: unknown key \"prot\""));
  expect_failure(
      refusal("port = 70000"), 2,
      AllOf(HasSubstr("trellis.toml:2: "), HasSubstr("--port: expected a whole number from 0"))
  );
  expect_failure(refusal("port = \"high\""), 2, HasSubstr("trellis.toml:2: "));
  expect_failure(refusal("host = [\"a\", \"b\"]"), 2, HasSubstr("host takes one value"));
  expect_failure(refusal("no-auth = 3"), 2, HasSubstr("expected true or false"));
  expect_failure(refusal("[server]\nport = 80"), 2, HasSubstr("trellis.toml:2: "));
  expect_failure(refusal("port = "), 2, HasSubstr("trellis.toml:2: "));
  expect_failure(refusal("config = \"a\""), 2, HasSubstr("unknown key \"config\""));
  expect_failure(refusal("host = \"127.0.0.1\""), 2, HasSubstr("--model is required"));
  expect_failure(
      run_program({"serve", "--config", "/no/such.toml"}), 2, HasSubstr("/no/such.toml")
  );
}

TEST_F(ServeFiles, WrongAddressesAndKeysAreRefusedBeforeTheModelIsLoaded) {
  const std::string keys = write("keys.txt", "user secret\n");
  const std::string no_model = (folder_.path() / "none").string();
  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"serve", "-m", no_model});
    return run_program(arguments);
  };

  expect_failure(refusal({"--host", "0.0.0.0"}), 1, HasSubstr("needs a key"));
  expect_failure(refusal({"--key-file", keys}), 1, HasSubstr("keys.txt:1: expected"));
  expect_failure(refusal({"--tls-key", keys}), 1, HasSubstr("TLS needs both"));
  expect_failure(refusal({"--api-key", "a", "--no-auth"}), 1, HasSubstr("leave one of them out"));
  expect_failure(refusal({"--port", "0"}), 1, HasSubstr("no such model directory"));
}

TEST(Serve, MakesLinesOfKeyFiles) {
  const ProgramResult result = run_program({"serve", "--hash-key"}, "abc\n");

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, std::string("user ") + kHashOfAbc + "\n");
  expect_failure(run_program({"serve", "--hash-key"}, "\n"), 1, HasSubstr("nothing came"));
}

TEST(Serve, PrintsThePlanOfMemory) {
  const ProgramResult result = run_program(
      {"serve", "-m", kTinyModel, "--backend", "cpu", "--dry-run", "--context", "512",
       "--cache-tokens", "2000", "--cache-type", "q8"}
  );

  EXPECT_EQ(result.exit_code, 0) << result.err;
  // Whole pages of 256 tokens.
  EXPECT_THAT(result.out, HasSubstr("for 2048 tokens in q8, of which one answer has at most 512"));
  EXPECT_THAT(result.out, HasSubstr("weights      "));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("host cache")));
}

TEST(Serve, PrintsThePlanOfEachModel) {
  const TemporaryDirectory folder;
  std::filesystem::copy(
      kTinyModel, folder.path() / "good", std::filesystem::copy_options::recursive
  );
  std::filesystem::create_directories(folder.path() / "bad");
  folder.write("bad/config.json", "{}");

  const ProgramResult result =
      run_program({"serve", "--models-dir", folder.path().string(), "--backend", "cpu", "--dry-run"}
      );

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("bad\ncannot be served: "));
  EXPECT_THAT(result.out, HasSubstr("good\nweights      "));
  expect_failure(
      run_program({"serve", "--models-dir", "/no/such/models"}), 1,
      HasSubstr("--models-dir /no/such/models: cannot be read")
  );
  expect_failure(
      run_program({"serve", "--models-dir", folder.path().string(), "--default-model", "x"}), 1,
      HasSubstr("--default-model x: there is no such model")
  );
  expect_failure(
      run_program({"serve", "--models-dir", folder.path().string(), "--model-name", "x"}), 2,
      HasSubstr("--model-name names the model of --model")
  );
}

TEST(Serve, PlansTheTiersBehindTheCache) {
  const ProgramResult result = run_program(
      {"serve", "-m", kTinyModel, "--backend", "cpu", "--dry-run", "--context", "512",
       "--cache-type", "q8", "--host-cache", "1.5MiB", "--cache-dir", "none", "--cache-dir-size",
       "1GiB"}
  );

  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("host cache   "));
  EXPECT_THAT(result.out, HasSubstr("cache dir    at most 1.0 GiB, "));
  expect_failure(
      run_program({"serve", "-m", kTinyModel, "--host-cache", "4 gigs"}), 2,
      HasSubstr("expected a size such as 512MiB or 4GiB, found \"4 gigs\"")
  );
  expect_failure(
      run_program({"serve", "-m", kTinyModel, "--dry-run", "--host-cache", "900TiB"}), 1,
      HasSubstr("use a smaller --host-cache")
  );
}

}  // namespace
}  // namespace trellis
