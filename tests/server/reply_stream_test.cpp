// Replies that take their time: sent as they come, dropped when nobody wants them any more.
#include "server/http_server.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace trellis::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(PendingReply, IsSentWhenItIsComplete) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {pending_route("/wait", script)});
  RawClient client(server.port());
  client.send(post("/wait", ""));
  ASSERT_TRUE(script->wait_begun());

  script->put("part one, ");
  script->put("part two");
  script->finish();

  EXPECT_EQ(client.read_response().body, "part one, part two");
  EXPECT_TRUE(script->wait_destroyed());
}

TEST(PendingReply, IsDestroyedWhenTheClientLeaves) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {pending_route("/wait", script)});
  RawClient client(server.port());
  client.send(post("/wait", ""));
  ASSERT_TRUE(script->wait_begun());
  EXPECT_FALSE(script->is_destroyed());

  const auto left = std::chrono::steady_clock::now();
  client.close();

  ASSERT_TRUE(script->wait_destroyed());
  EXPECT_LT(std::chrono::steady_clock::now() - left, 1s);
}

TEST(PendingReply, ThatFailsIsA500) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {pending_route("/wait", script)});
  RawClient client(server.port());
  client.send(post("/wait", ""));
  ASSERT_TRUE(script->wait_begun());

  script->fail("the secret");

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, testing::Not(HasSubstr("secret")));
}

Route outcome_route(std::shared_ptr<Script> script, std::chrono::milliseconds patience) {
  return {"POST", "/later", Access::kUser, [=](const ApiRequest&) -> Outcome {
            return std::make_unique<ScriptedOutcome>(script, patience);
          }};
}

TEST(PendingOutcome, IsBegunWhenItIsReadyAndKeepsNoThread) {
  const auto script = std::make_shared<Script>();
  ServerOptions options;
  options.handler_threads = 1;
  RunningServer server(options, {outcome_route(script, 1h), text_route("/t", "text")});
  RawClient client(server.port());
  client.send(post("/later", "") + get("/t"));
  ASSERT_TRUE(script->wait_begun());

  EXPECT_EQ(exchange(server.port(), get("/t")).body, "text");
  script->put("begun");
  script->finish();

  EXPECT_EQ(client.read_response().body, "begun");
  EXPECT_EQ(client.read_response().body, "text") << "the connection goes on";
  EXPECT_TRUE(script->wait_destroyed());
}

TEST(PendingOutcome, IsBegunAtItsDeadline) {
  RunningServer server({}, {outcome_route(std::make_shared<Script>(), 20ms)});

  EXPECT_EQ(exchange(server.port(), post("/later", "")).body, "not ready");
}

TEST(PendingOutcome, IsDestroyedWhenTheClientLeaves) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {outcome_route(script, 1h)});
  RawClient client(server.port());
  client.send(post("/later", ""));
  ASSERT_TRUE(script->wait_begun());

  client.close();

  EXPECT_TRUE(script->wait_destroyed());
}

TEST(PendingOutcome, ThatFailsIsA500) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {outcome_route(script, 1h)});
  RawClient client(server.port());
  client.send(post("/later", ""));
  ASSERT_TRUE(script->wait_begun());

  script->fail("the secret");

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, testing::Not(HasSubstr("secret")));
}

TEST(ReplyStream, IsSentAsItComes) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {stream_route("/stream", script)});
  RawClient client(server.port());
  client.send(post("/stream", ""));

  const std::string head = client.read_through("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream; charset=utf-8\r\n"));
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  script->put("data: one\n\n");
  EXPECT_EQ(client.read_through("one\n\n\r\n"), "b\r\ndata: one\n\n\r\n");
  script->put("data: two\n\n");
  EXPECT_EQ(client.read_through("two\n\n\r\n"), "b\r\ndata: two\n\n\r\n");
  script->finish();
  EXPECT_EQ(client.read_through("0\r\n\r\n"), "0\r\n\r\n");
}

TEST(ReplyStream, LeavesTheConnectionForTheNextRequest) {
  const auto script = std::make_shared<Script>();
  script->put("data: x\n\n");
  script->finish();
  RunningServer server({}, {stream_route("/stream", script), text_route("/t", "text")});
  RawClient client(server.port());
  client.send(post("/stream", "") + get("/t"));

  EXPECT_EQ(client.read_response().body, "data: x\n\n");
  EXPECT_EQ(client.read_response().body, "text");
}

TEST(ReplyStream, EndsWithTheConnectionOfHttp10) {
  const auto script = std::make_shared<Script>();
  script->put("data: x\n\n");
  script->finish();
  RunningServer server({}, {stream_route("/stream", script)});
  RawClient client(server.port());
  client.send("POST /stream HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");

  const std::string all = client.read_all();
  EXPECT_THAT(all, testing::Not(HasSubstr("chunked")));
  EXPECT_TRUE(all.ends_with("\r\n\r\ndata: x\n\n")) << all;
}

TEST(ReplyStream, IsDestroyedWhenTheClientLeavesInTheMiddle) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {stream_route("/stream", script)});
  RawClient client(server.port());
  client.send(post("/stream", ""));
  script->put("data: x\n\n");
  client.read_through("data: x\n\n");
  EXPECT_FALSE(script->is_destroyed());

  const auto left = std::chrono::steady_clock::now();
  client.close();

  ASSERT_TRUE(script->wait_destroyed());
  EXPECT_LT(std::chrono::steady_clock::now() - left, 1s);
}

TEST(ReplyStream, MayBeWokenWhenItIsGone) {
  const auto script = std::make_shared<Script>();
  {
    RunningServer server({}, {stream_route("/stream", script)});
    RawClient client(server.port());
    client.send(post("/stream", ""));
    ASSERT_TRUE(script->wait_begun());
    client.close();
    ASSERT_TRUE(script->wait_destroyed());
    script->put("late");
  }

  script->put("later than the server");
}

TEST(ReplyStream, SaysPingInSilence) {
  const auto script = std::make_shared<Script>();
  ServerOptions options;
  options.ping = 20ms;
  RunningServer server(options, {stream_route("/stream", script)});
  RawClient client(server.port());
  client.send(post("/stream", ""));
  client.read_through("\r\n\r\n");

  EXPECT_EQ(client.read_through(": ping\n\n\r\n"), "8\r\n: ping\n\n\r\n");
  EXPECT_EQ(client.read_through(": ping\n\n\r\n"), "8\r\n: ping\n\n\r\n");
}

TEST(ReplyStream, ThatFailsEndsWithAnError) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {stream_route("/stream", script)});
  RawClient client(server.port());
  client.send(post("/stream", ""));
  ASSERT_TRUE(script->wait_begun());

  script->fail("the secret");

  const RawResponse response = client.read_response();
  EXPECT_THAT(response.body, HasSubstr("event: error\ndata: {\"error\":"));
  EXPECT_THAT(response.body, testing::Not(HasSubstr("secret")));
}

/// Has always more to give, as a fast model would for a client that does not read.
class Flood final : public ReplyStream {
 public:
  explicit Flood(std::shared_ptr<Script> script) : scripted_(std::move(script)) {}
  void on_ready(std::function<void()> wake) override { scripted_.on_ready(std::move(wake)); }
  std::string poll() override { return std::string(100'000, 'x'); }
  bool finished() const override { return false; }

 private:
  ScriptedReply scripted_;
};

TEST(ReplyStream, IsCutOffWhereTheClientDoesNotRead) {
  const auto script = std::make_shared<Script>();
  const Route flood = {"POST", "/flood", Access::kUser, [script](const ApiRequest&) -> Outcome {
                         return std::make_unique<Flood>(script);
                       }};
  ServerOptions options;
  options.limits.write = 100ms;
  RunningServer server(options, {flood, text_route("/t", "text")});
  RawClient slow(server.port());
  slow.keep_little();
  slow.send(post("/flood", ""));
  ASSERT_TRUE(script->wait_begun());

  EXPECT_EQ(exchange(server.port(), get("/t")).body, "text") << "others are served meanwhile";
  EXPECT_TRUE(script->wait_destroyed());
}

TEST(Drain, LetsRunningRepliesFinishAndRefusesNewOnes) {
  const auto script = std::make_shared<Script>();
  RunningServer server({}, {stream_route("/stream", script), text_route("/t", "text")});
  RawClient streaming(server.port());
  streaming.send(post("/stream", ""));
  ASSERT_TRUE(script->wait_begun());
  RawClient idle(server.port());
  idle.send(get("/t"));
  ASSERT_EQ(idle.read_response().status, 200);
  RawClient halfway(server.port());
  halfway.send("GET /t HTTP/1.1\r\nHost: localhost\r\n");
  RawClient sentinel(server.port());
  sentinel.send(get("/t"));  // when it is answered, halfway has been read
  ASSERT_EQ(sentinel.read_response().status, 200);

  server.server().stop();
  EXPECT_EQ(idle.read_all(), "") << "an idle connection is closed";
  halfway.send("\r\n");
  const RawResponse refused = halfway.read_response();
  script->put("data: x\n\n");
  script->finish();

  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("shutting_down"));
  EXPECT_EQ(refused.headers.at("connection"), "close");
  EXPECT_EQ(streaming.read_response().body, "data: x\n\n");
  streaming.close();
  sentinel.close();
  server.join();
}

TEST(Drain, CutsOffWhatDoesNotFinishInTime) {
  const auto script = std::make_shared<Script>();
  ServerOptions options;
  options.limits.drain = 50ms;
  RunningServer server(options, {pending_route("/wait", script)});
  RawClient client(server.port());
  client.send(post("/wait", ""));
  ASSERT_TRUE(script->wait_begun());

  server.server().stop();

  server.join();
  EXPECT_TRUE(script->is_destroyed());
  EXPECT_EQ(client.read_all(), "");
}

TEST(Drain, EndsAtOnceWhereNothingRuns) {
  RunningServer server({}, {});
  const auto begin = std::chrono::steady_clock::now();

  server.server().stop();
  server.join();

  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST(ReplyStream, ManyAtOnceAreSentWholeOrDropped) {
  const auto echo_stream = [](const ApiRequest& request) -> Outcome {
    const auto script = std::make_shared<Script>();
    auto stream = std::make_unique<ScriptedStream>(script);
    std::thread([script, text = request.body] {
      for (const char c : text) script->put(std::string(1, c));
      script->finish();
    }).detach();
    return stream;
  };
  RunningServer server({}, {{"POST", "/stream", Access::kUser, echo_stream}});
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&server, i] {
      const std::string text(static_cast<size_t>(200 + i), static_cast<char>('a' + i));
      for (int round = 0; round < 10; ++round) {
        RawClient client(server.port());
        client.send(post("/stream", text));
        if ((i + round) % 3 == 0) continue;  // leaves
        EXPECT_EQ(client.read_response().body, text);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace trellis::server
