// A server with sockets while its models are being loaded, and who may load them.
#include "base/json.h"
#include "base/temporary_directory.h"
#include "server/http_server.h"
#include "server/raw_client.h"
#include "server/routes.h"
#include "server/scripted_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace trellis::server {
namespace {

using testing::HasSubstr;

class ModelServingTest : public testing::Test {
 protected:
  ModelServingTest() {
    std::filesystem::create_directories(folder_.path() / "a");
    folder_.write("a/config.json", "{}");
  }

  ModelPoolOptions options() const {
    ModelPoolOptions options;
    options.directory = folder_.path().string();
    return options;
  }
  static Json json_of(const RawResponse& response) { return Json::parse(response.body); }
  /// Asks until the load is so far.
  static RawResponse ready_at(uint16_t port, double progress) {
    while (true) {
      RawResponse response = server::exchange(port, get("/ready"));
      const Json json = json_of(response);
      if (json.value("progress", 1.0) >= progress) return response;
      std::this_thread::yield();
    }
  }

  TemporaryDirectory folder_;
  ScriptedLoader loader_;
  ModelPool models_{options(), loader_};
  ServerContext context_{models_, 0, "1"};
};

TEST_F(ModelServingTest, IsLiveAndNotReadyWhileItsModelIsLoaded) {
  loader_.hold("a", 400);
  RunningServer server({}, make_routes(context_));
  ASSERT_TRUE(models_.start("a").ok());

  const RawResponse loading = ready_at(server.port(), 0.4);
  EXPECT_EQ(loading.status, 503);
  EXPECT_EQ(
      json_of(loading), Json::parse(R"({"ready": false, "state": "loading", "progress": 0.4})")
  );
  EXPECT_EQ(server::exchange(server.port(), get("/health")).status, 200);
  RawClient waiting(server.port());
  waiting.send(post("/v1/chat/completions", R"({"model": "a", "messages": 1})"));
  RawClient beside(server.port());
  beside.send(get("/v1/models"));
  EXPECT_THAT(beside.read_response().body, HasSubstr("\"state\":\"loading\""));
  loader_.release("a");

  // The model is there when the request is looked at.
  const RawResponse answer = waiting.read_response();
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("\"param\":\"messages\""));
  EXPECT_EQ(server::exchange(server.port(), get("/ready")).status, 200);
}

TEST_F(ModelServingTest, ARequestWaitsOnlySoLong) {
  loader_.hold("a", 500);
  context_.load_wait = std::chrono::milliseconds(20);
  RunningServer server({}, make_routes(context_));

  const RawResponse answer =
      server::exchange(server.port(), post("/v1/completions", R"({"model": "a", "prompt": "b"})"));

  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "5");
  EXPECT_EQ(json_of(answer)["error"]["code"], "model_loading");
  EXPECT_EQ(json_of(answer)["error"]["param"], "model");
}

TEST_F(ModelServingTest, AStopEndsTheWait) {
  loader_.hold("a");
  RunningServer server({}, make_routes(context_));
  RawClient waiting(server.port());
  waiting.send(post("/v1/chat/completions", R"({"model": "a", "messages": []})"));
  ASSERT_TRUE(loader_.wait_begun(1));

  models_.stop_loading();
  server.server().stop();

  const RawResponse answer = waiting.read_response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("shutting_down"));
  EXPECT_EQ(answer.headers.at("retry-after"), "5");
  server.join();
}

TEST_F(ModelServingTest, OnlyAdministratorsLoadAndUnload) {
  ServerOptions options;
  options.auth.api_keys = {"user"};
  options.auth.admin_keys = {"admin"};
  RunningServer server(options, make_routes(context_));
  const std::string user = "x-api-key: user\r\n";
  const std::string admin = "x-api-key: admin\r\n";
  const std::string body = R"({"model": "a", "stream": false})";

  for (const std::string& path : {std::string("/v1/model/load"), std::string("/v1/model/unload")}) {
    EXPECT_EQ(server::exchange(server.port(), post(path, body)).status, 401);
    EXPECT_EQ(server::exchange(server.port(), post(path, body, user)).status, 403);
    EXPECT_EQ(server::exchange(server.port(), post(path, body, admin)).status, 200);
  }
  for (const std::string& path : {std::string("/v1/model/list"), std::string("/v1/cache")}) {
    EXPECT_EQ(server::exchange(server.port(), get(path)).status, 401);
    EXPECT_EQ(server::exchange(server.port(), get(path, user)).status, 403);
    EXPECT_EQ(server::exchange(server.port(), get(path, admin)).status, 200);
  }
  EXPECT_EQ(server::exchange(server.port(), get("/v1/models", user)).status, 200);
}

TEST_F(ModelServingTest, WhoLeavesDoesNotEndALoad) {
  loader_.hold("a", 300);
  RunningServer server({}, make_routes(context_));
  RawClient client(server.port());
  client.send(post("/v1/model/load", R"({"model": "a"})"));
  EXPECT_THAT(client.read_through("\"progress\":0.3"), HasSubstr("\"state\":\"loading\""));

  client.close();
  loader_.release("a");

  const RawResponse loaded =
      server::exchange(server.port(), post("/v1/model/load", R"({"model": "a", "stream": false})"));
  EXPECT_EQ(json_of(loaded)["state"], "ready");
  EXPECT_THAT(loader_.loads(), testing::ElementsAre("a"));
}

TEST_F(ModelServingTest, NamesInPathsCannotLeaveTheDirectory) {
  RunningServer server({}, make_routes(context_));

  EXPECT_EQ(server::exchange(server.port(), get("/v1/models/a")).status, 200);
  for (const char* path :
       {"/v1/models/..%2fa", "/v1/models/%2e%2e/a", "/v1/models/a%00", "/v1/models/../models/a",
        "/v1/models/%2fetc"}) {
    EXPECT_THAT(server::exchange(server.port(), get(path)).status, testing::AnyOf(400, 404))
        << path;
  }
}

}  // namespace
}  // namespace trellis::server
