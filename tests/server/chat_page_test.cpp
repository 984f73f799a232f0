// The files of the chat page, as a browser asks for them. What they do in one is tested in
// tests/clients.
#include "server/chat_page.h"

#include "server/raw_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace trellis::server {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string source(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(TRELLIS_SOURCE_DIR "/src/server/chat_page/" + name).rdbuf();
  return text.str();
}

/// Everything that a file of the page loads: "chat-page/x" in markup, "./x" in modules.
std::vector<std::string> paths_in(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> paths;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) {
    paths.push_back("/chat-page/" + (*at)[1].str());
  }
  return paths;
}

class ChatPage : public testing::Test {
 protected:
  static ServerOptions with_key() {
    ServerOptions options;
    options.auth.api_keys = {"secret"};
    return options;
  }

  RunningServer server_{with_key(), chat_page_routes()};
};

TEST_F(ChatPage, IsGivenWithoutAKeyAsItStandsInItsFile) {
  const RawResponse page = exchange(server_.port(), get("/"));

  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.body, source("index.html"));
}

TEST_F(ChatPage, AllowsNoScriptOfOthersAndNoneInItsMarkup) {
  const std::string policy =
      exchange(server_.port(), get("/")).headers.at("content-security-policy");

  EXPECT_THAT(policy, HasSubstr("default-src 'none'; script-src 'self';"));
  EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(policy, HasSubstr("require-trusted-types-for 'script'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

TEST_F(ChatPage, HasEveryFileThatItLoads) {
  RawClient client(server_.port());
  const std::vector<std::string> loaded =
      paths_in(source("index.html"), "(?:src|href)=\"chat-page/([^\"]+)\"");
  ASSERT_GE(loaded.size(), 7U);
  std::vector<std::string> todo = loaded;
  std::set<std::string> seen;
  while (!todo.empty()) {
    const std::string path = todo.back();
    todo.pop_back();
    if (!seen.insert(path).second) continue;
    client.send(get(path));
    const RawResponse response = client.read_response();
    EXPECT_EQ(response.status, 200) << path;
    if (!path.ends_with(".js")) continue;
    EXPECT_EQ(response.headers.at("content-type"), "text/javascript; charset=utf-8") << path;
    for (const std::string& next : paths_in(response.body, "from '\\./([^']+)'")) {
      todo.push_back(next);
    }
  }
  EXPECT_EQ(seen.size() + 1, chat_page_routes().size()) << "a file that nothing loads";
}

TEST_F(ChatPage, IsNotSentAgainToWhoHasIt) {
  const std::string etag = exchange(server_.port(), get("/")).headers.at("etag");
  RawClient client(server_.port());
  const auto head_with = [&](const std::string& value) {
    client.send(get("/", "If-None-Match: " + value + "\r\n"));
    return client.read_response(false);
  };

  const RawResponse known = head_with("\"other\", W/" + etag);
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.headers.at("etag"), etag);
  // Were there a body, it would stand before this status.
  EXPECT_EQ(head_with("*").status, 304);
  EXPECT_EQ(head_with("\"other\"").status, 200);
}

TEST_F(ChatPage, CanBeAskedForItsHead) {
  RawClient client(server_.port());
  client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");

  const RawResponse head = client.read_response(false);

  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(source("index.html").size()));
  EXPECT_EQ(exchange(server_.port(), post("/", "{}")).status, 405);
  EXPECT_EQ(exchange(server_.port(), get("/chat-page/../keys.txt")).status, 404);
  EXPECT_EQ(exchange(server_.port(), get("/chat-page/")).status, 404);
}

}  // namespace
}  // namespace trellis::server
