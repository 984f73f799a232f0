// What web pages may do.
#include "base/error.h"
#include "server/http_server.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis::server {
namespace {

constexpr const char* kPage = "https://chat.example.org";

std::string from(const std::string& origin) {
  return "Origin: " + origin + "\r\n";
}

std::string preflight(const std::string& origin) {
  return "OPTIONS /t HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\n"
         "Access-Control-Request-Headers: authorization, x-stainless-os\r\n" +
         from(origin) + "\r\n";
}

ServerOptions with_origins(std::vector<std::string> origins) {
  ServerOptions options;
  options.cors_origins = std::move(origins);
  return options;
}

TEST(Cors, AllowsAListedPage) {
  RunningServer server(with_origins({"http://other", kPage}), {text_route("/t", "text")});

  RawResponse answer = exchange(server.port(), get("/t", from(kPage)));
  RawResponse before = exchange(server.port(), preflight(kPage));

  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["access-control-allow-origin"], kPage);
  EXPECT_EQ(answer.headers["vary"], "Origin");
  EXPECT_EQ(before.status, 204);
  EXPECT_EQ(before.headers["access-control-allow-origin"], kPage);
  EXPECT_EQ(before.headers["access-control-allow-methods"], "GET, HEAD, OPTIONS");
  EXPECT_EQ(before.headers["access-control-allow-headers"], "authorization, x-stainless-os");
}

TEST(Cors, TellsAnUnlistedPageNothing) {
  ServerOptions options = with_origins({kPage});
  options.auth.api_keys = {"k"};
  RunningServer server(options, {text_route("/t", "text")});

  const std::string headers = from("https://evil.example") + "x-api-key: k\r\n";
  RawResponse answer = exchange(server.port(), get("/t", headers));
  RawResponse before = exchange(server.port(), preflight("https://evil.example"));

  EXPECT_EQ(
      answer.status, 200
  ) << "who has the key may call; the browser keeps the page from reading";
  EXPECT_FALSE(answer.headers.contains("access-control-allow-origin"));
  EXPECT_FALSE(before.headers.contains("access-control-allow-origin"));
  EXPECT_FALSE(before.headers.contains("access-control-allow-methods"));
}

TEST(Cors, AllowsEveryPageWithAStar) {
  RunningServer server(with_origins({"*"}), {text_route("/t", "text")});

  EXPECT_EQ(
      exchange(server.port(), get("/t", from(kPage))).headers["access-control-allow-origin"], "*"
  );
}

TEST(Cors, RefusesForeignPagesWhereNoKeyIsAskedFor) {
  RunningServer server({}, {text_route("/t", "text")});
  const std::string port = std::to_string(server.port());

  EXPECT_EQ(exchange(server.port(), get("/t", from(kPage))).status, 403);
  EXPECT_EQ(exchange(server.port(), get("/t", from("null"))).status, 403);
  EXPECT_EQ(exchange(server.port(), get("/t", from("http://localhost"))).status, 200)
      << "a page of the server itself";
  EXPECT_EQ(
      exchange(server.port(), "GET /t HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n").status,
      403
  ) << "a name whose DNS points here";
  EXPECT_EQ(
      exchange(server.port(), "GET /t HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\n\r\n").status, 200
  );
  EXPECT_EQ(
      exchange(server.port(), "GET /t HTTP/1.1\r\nHost: [::1]:" + port + "\r\n\r\n").status, 200
  );
}

TEST(Cors, RefusesOriginsThatAreNone) {
  EXPECT_THROW(Server(with_origins({"chat.example.org"}), {}), UserError);
  EXPECT_THROW(Server(with_origins({"https://chat.example.org/"}), {}), UserError);
}

}  // namespace
}  // namespace trellis::server
