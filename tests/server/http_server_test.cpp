#include "server/http_server.h"

#include "base/error.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

namespace trellis::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

ServerOptions options_with(void (*change)(ServerOptions&)) {
  ServerOptions options;
  change(options);
  return options;
}

TEST(HttpServer, AnswersWithWhatTheHandlerGives) {
  RunningServer server({}, {echo_route("/echo")});

  const RawResponse response = exchange(server.port(), post("/echo", "hello"));

  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.headers.at("content-type"), "text/plain");
  EXPECT_EQ(response.headers.at("content-length"), "5");
  EXPECT_THAT(response.headers.at("x-request-id"), testing::MatchesRegex("req-[0-9a-f]{32}"));
}

TEST(HttpServer, GivesTheRequestIdBackWhereItIsSane) {
  RunningServer server({}, {text_route("/t", "x")});

  const auto id_for = [&](const std::string& sent) {
    const std::string header = "X-Request-Id: " + sent + "\r\n";
    return exchange(server.port(), get("/t", header)).headers["x-request-id"];
  };

  EXPECT_EQ(id_for("abc-1:2_3.4"), "abc-1:2_3.4");
  EXPECT_THAT(id_for("a b"), testing::StartsWith("req-"));
  EXPECT_THAT(id_for(std::string(129, 'a')), testing::StartsWith("req-"));
}

TEST(HttpServer, KeepsTheConnectionForOneRequestAfterAnother) {
  RunningServer server({}, {echo_route("/echo")});
  RawClient client(server.port());

  for (const char* text : {"one", "two", "three"}) {
    client.send(post("/echo", text));
    EXPECT_EQ(client.read_response().body, text);
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  RunningServer server({}, {echo_route("/echo"), text_route("/t", "text")});
  RawClient client(server.port());

  client.send(post("/echo", "one") + get("/t") + get("/none") + post("/echo", "two"));

  EXPECT_EQ(client.read_response().body, "one");
  EXPECT_EQ(client.read_response().body, "text");
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_EQ(client.read_response().body, "two");
}

TEST(HttpServer, AnswersMoreRequestsAtOnceThanItReadsAhead) {
  RunningServer server({}, {echo_route("/echo")});
  RawClient client(server.port());
  const std::string text(1000, 'x');
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += post("/echo", text);

  client.send(requests);

  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.read_response().body, text) << i;
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
  RunningServer server({}, {echo_route("/echo")});
  RawClient client(server.port());
  const std::string request = post("/echo", "hello");

  for (const char byte : request) client.send(std::string_view(&byte, 1));

  EXPECT_EQ(client.read_response().body, "hello");
}

TEST(HttpServer, ReadsABodyInChunks) {
  RunningServer server({}, {echo_route("/echo")});

  const RawResponse response = exchange(
      server.port(),
      "POST /echo HTTP/1.1\r\nHost: h:1\r\nHost2: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n8\r\n, chunks\r\n0\r\n\r\n"
  );

  EXPECT_EQ(response.status, 403) << "a Host that is not ours, without a key";
  const RawResponse accepted = exchange(
      server.port(),
      "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n8\r\n, chunks\r\n0\r\n\r\n"
  );
  EXPECT_EQ(accepted.body, "hello, chunks");
}

TEST(HttpServer, AsksForTheBodyWhereTheClientWaitsForThat) {
  RunningServer server({}, {echo_route("/echo")});
  RawClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
  );

  EXPECT_EQ(client.read_response().status, 100);
  client.send("hello");
  EXPECT_EQ(client.read_response().body, "hello");
}

TEST(HttpServer, AnswersAClientThatHasEndedItsSide) {
  RunningServer server({}, {echo_route("/echo")});
  RawClient client(server.port());
  client.send(post("/echo", "hello"));
  client.finish();

  EXPECT_EQ(client.read_response().body, "hello");
  EXPECT_EQ(client.read_all(), "");
}

TEST(HttpServer, SendsOnlyTheHeadToHead) {
  RunningServer server({}, {text_route("/t", "some text")});
  RawClient client(server.port());
  client.send("HEAD /t HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/t"));

  const RawResponse head = client.read_response(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "9");
  EXPECT_EQ(client.read_response().body, "some text");
}

TEST(HttpServer, ClosesTheConnectionOfHttp10) {
  RunningServer server({}, {text_route("/t", "text")});
  RawClient client(server.port());
  client.send("GET /t HTTP/1.0\r\n\r\n");

  const std::string all = client.read_all();
  EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(all.ends_with("\r\n\r\ntext")) << all;
}

TEST(HttpServer, SaysWhichPathsAndMethodsThereAre) {
  RunningServer server({}, {text_route("/t", "text"), echo_route("/t"), text_route("/m/*", "m")});

  const RawResponse missing = exchange(server.port(), get("/nothing"));
  const RawResponse wrong =
      exchange(server.port(), "DELETE /t HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const RawResponse options =
      exchange(server.port(), "OPTIONS /t HTTP/1.1\r\nHost: localhost\r\n\r\n");

  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(
      missing.body, R"({"error":{"message":"there is no /nothing here","type":"not_found_error",)"
                    R"("param":null,"code":"not_found"}})"
  );
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_THAT(wrong.body, HasSubstr("method_not_allowed"));
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(exchange(server.port(), get("/m/org/name")).body, "m");
  EXPECT_EQ(exchange(server.port(), get("/m/")).status, 404);
}

TEST(HttpServer, ClosesAfterARequestThatIsNotHttp) {
  RunningServer server({}, {});
  RawClient client(server.port());
  client.send("what is this\r\n\r\n" + get("/t"));

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_THAT(response.body, HasSubstr("malformed_request"));
  EXPECT_EQ(client.read_all(), "");
}

TEST(HttpServer, RefusesABodyThatIsTooLargeAndLetsTheClientReadThat) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.body_bytes = 1000; }),
      {echo_route("/echo")}
  );

  const RawResponse response = exchange(server.port(), post("/echo", std::string(1'000'000, 'x')));

  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(response.body, HasSubstr("longer than 1000 bytes"));
  EXPECT_EQ(exchange(server.port(), post("/echo", std::string(1000, 'x'))).status, 200);
}

TEST(HttpServer, RefusesHeadersThatAreTooLarge) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.header_bytes = 2048; }),
      {text_route("/t", "text")}
  );

  const std::string big = "X-Big: " + std::string(3000, 'x') + "\r\n";
  EXPECT_EQ(exchange(server.port(), get("/t", big)).status, 431);
  EXPECT_EQ(exchange(server.port(), get("/t", "X-Fits: x\r\n")).status, 200);
}

TEST(HttpServer, RefusesHeadersThatComeTooSlowly) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.header = 50ms; }),
      {text_route("/t", "text")}
  );
  RawClient client(server.port());
  client.send("GET /t HTTP/1.1\r\nHost:");

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 408);
  EXPECT_THAT(response.body, HasSubstr("the headers took too long"));
}

TEST(HttpServer, RefusesABodyThatComesTooSlowly) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.body = 50ms; }),
      {echo_route("/echo")}
  );
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel");

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 408);
  EXPECT_THAT(response.body, HasSubstr("the body took too long"));
}

TEST(HttpServer, ClosesAnIdleConnectionWithoutAWord) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.idle = 50ms; }),
      {text_route("/t", "text")}
  );
  RawClient silent(server.port());
  RawClient once(server.port());
  once.send(get("/t"));

  EXPECT_EQ(once.read_response().status, 200);
  EXPECT_EQ(once.read_all(), "");
  EXPECT_EQ(silent.read_all(), "");
}

TEST(HttpServer, RefusesConnectionsBeyondTheLimit) {
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.connections = 2; }),
      {text_route("/t", "text")}
  );
  RawClient first(server.port());
  first.send(get("/t"));
  EXPECT_EQ(first.read_response().status, 200);
  RawClient second(server.port());
  second.send(get("/t"));
  EXPECT_EQ(second.read_response().status, 200);

  RawClient third(server.port());
  const RawResponse refused = third.read_response();
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("too_many_connections"));
  first.send(get("/t"));
  EXPECT_EQ(first.read_response().status, 200);
}

TEST(HttpServer, RefusesRequestsBeyondTheLimitButNotGet) {
  const auto script = std::make_shared<Script>();
  RunningServer server(
      options_with([](ServerOptions& options) { options.limits.requests = 1; }),
      {pending_route("/wait", script), text_route("/t", "text")}
  );
  RawClient first(server.port());
  first.send(post("/wait", ""));
  ASSERT_TRUE(script->wait_begun());

  const RawResponse refused = exchange(server.port(), post("/wait", ""));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_THAT(refused.body, HasSubstr("rate_limit_error"));
  EXPECT_EQ(exchange(server.port(), get("/t")).status, 200);

  script->finish();
  EXPECT_EQ(first.read_response().status, 200);
  EXPECT_EQ(exchange(server.port(), post("/wait", "")).status, 200);
}

TEST(HttpServer, HidesWhatAHandlerThrows) {
  const Route failing = {"GET", "/fail", Access::kUser, [](const ApiRequest&) -> Outcome {
                           throw std::runtime_error("the secret");
                         }};
  RunningServer server({}, {failing, text_route("/t", "text")});
  RawClient client(server.port());
  client.send(get("/fail", "X-Request-Id: my-id\r\n") + get("/t"));

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("\"code\":\"internal_error\""));
  EXPECT_THAT(response.body, HasSubstr("my-id"));
  EXPECT_THAT(response.body, testing::Not(HasSubstr("secret")));
  EXPECT_EQ(client.read_response().body, "text") << "the connection goes on";
}

TEST(HttpServer, LetsNoHeaderValueBeginAnother) {
  const Route route = {"GET", "/h", Access::kUser, [](const ApiRequest& request) -> Outcome {
                         Reply reply;
                         reply.headers = {{"X-Echo", request.query.at("v")}};
                         return reply;
                       }};
  RunningServer server({}, {route});

  const RawResponse response = exchange(server.port(), get("/h?v=a%0d%0aX-Evil:%20b"));

  EXPECT_FALSE(response.headers.contains("x-evil"));
  EXPECT_EQ(response.headers.at("x-echo"), "a  X-Evil: b");
}

TEST(HttpServer, TellsTheHandlerAllOfTheRequest) {
  ApiRequest seen;
  const Route route = {
      "POST", "/r/*", Access::kUser,
      [&seen](const ApiRequest& request) -> Outcome {
        seen = request;
        return Reply();
      }
  };
  RunningServer server({}, {route});

  exchange(server.port(), post("/r/a%2Fb?k=v", "body", "X-Mine: Yes\r\n"));

  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/r/a/b");
  EXPECT_EQ(seen.query.at("k"), "v");
  EXPECT_EQ(seen.headers.at("x-mine"), "Yes");
  EXPECT_EQ(seen.body, "body");
  EXPECT_TRUE(seen.is_admin) << "no keys are in use";
}

TEST(HttpServer, SaysWhatIsWrongWithAnAddress) {
  RunningServer taken({}, {});
  ServerOptions same;
  same.port = taken.port();
  ServerOptions unknown;
  unknown.host = "no.such.host.invalid";
  ServerOptions foreign;
  foreign.host = "192.0.2.1";
  foreign.auth.no_auth = true;

  const auto message_of = [](const ServerOptions& options) {
    try {
      const Server server(options, {});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };

  EXPECT_THAT(message_of(same), HasSubstr("Address already in use; take another --port"));
  EXPECT_THAT(message_of(unknown), HasSubstr("--host no.such.host.invalid: is neither"));
  EXPECT_THAT(message_of(foreign), HasSubstr("--host has to be an address of this machine"));
}

}  // namespace
}  // namespace trellis::server
