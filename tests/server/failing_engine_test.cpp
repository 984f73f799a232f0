// What clients see when the engine fails, refuses or is slow.
#include "server/api_harness.h"
#include "server/scripted_engine.h"

namespace trellis::server {
namespace {

class FailingEngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { real_ = Engine::load(tiny_options()).release(); }
  static void TearDownTestSuite() {
    delete real_;
    real_ = nullptr;
  }

  Answer post(const std::string& path, Json body) {
    body["messages"] = Json::parse(R"([{"role": "user", "content": "hi"}])");
    body["max_tokens"] = 10;
    return server_.post(path, body);
  }

  inline static Engine* real_ = nullptr;
  ScriptedEngine engine_{*real_};
  TestServer server_{engine_};
};

TEST_F(FailingEngineTest, AnAnswerThatFailsIsAnError) {
  engine_.scripts = {{text_event("half"), failure("out of luck")}};

  const Answer answer = post("/v1/chat/completions", {});

  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.json()["error"]["message"], "out of luck");
  EXPECT_EQ(answer.json()["error"]["type"], "server_error");
}

TEST_F(FailingEngineTest, AStreamThatFailsEndsWithAnErrorAndNotAsIfItWereComplete) {
  engine_.scripts = {{text_event("half"), failure("out of luck")}};

  const Answer answer = post("/v1/chat/completions", {{"stream", true}});

  EXPECT_NE(answer.body.find("half"), std::string::npos);
  EXPECT_EQ(answer.body.find("[DONE]"), std::string::npos);
  const size_t last = answer.body.rfind("data: ");
  const Json error = Json::parse(answer.body.substr(last + 6));
  EXPECT_EQ(error["error"]["message"], "out of luck");
}

TEST_F(FailingEngineTest, AStreamOfMessagesEndsWithAnErrorEvent) {
  engine_.scripts = {{text_event("half"), failure("out of luck")}};

  const Answer answer = post("/v1/messages", {{"stream", true}});

  const size_t last = answer.body.rfind("event: ");
  ASSERT_TRUE(answer.body.substr(last).starts_with("event: error\ndata: "));
  const Json error = Json::parse(answer.body.substr(answer.body.rfind("data: ") + 6));
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["error"]["type"], "api_error");
  EXPECT_EQ(error["error"]["message"], "out of luck");
}

TEST_F(FailingEngineTest, OneChoiceThatFailsCancelsTheOthers) {
  for (const bool stream : {false, true}) {
    engine_.num_cancelled = 0;
    engine_.scripts = {{text_event("one")}, {failure("out of luck")}, {text_event("three")}};
    const Answer answer = post("/v1/chat/completions", {{"stream", stream}, {"n", 3}});
    EXPECT_NE(answer.body.find("out of luck"), std::string::npos);
    EXPECT_EQ(engine_.num_cancelled, 2);
  }
}

TEST_F(FailingEngineTest, ChoicesAreQueuedAllOrNone) {
  engine_.scripts = {{text_event("one")}, {text_event("two")}};

  const Answer answer = post("/v1/chat/completions", {{"n", 3}});

  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(engine_.num_cancelled, 2);
}

TEST_F(FailingEngineTest, HealthTellsTheTruth) {
  EXPECT_EQ(server_.get("/health").status, 200);
  engine_.failed = true;
  EXPECT_EQ(server_.get("/health").status, 503);
  EXPECT_EQ(server_.get("/health").json()["live"], false);
  EXPECT_EQ(server_.get("/ready").status, 503);
  EXPECT_NE(
      server_.get("/metrics").body.find("trellis:engine_up{model_name=\"tiny\"} 0\n"),
      std::string::npos
  );
}

TEST_F(FailingEngineTest, AModelWithoutATemplateHasNoChat) {
  engine_.has_template = false;
  const Answer answer = post("/v1/chat/completions", {});
  expect_error(answer, 400, "no_chat_template", "messages", "/v1/completions");
}

}  // namespace
}  // namespace trellis::server
