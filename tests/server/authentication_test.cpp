#include "base/error.h"
#include "base/temporary_directory.h"
#include "server/api_key.h"
#include "server/http_server.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace trellis::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::vector<Route> routes() {
  return {
      text_route("/open", "open", Access::kOpen), text_route("/user", "user", Access::kUser),
      text_route("/admin", "admin", Access::kAdmin)
  };
}

struct AuthCase {
  const char* name;
  std::vector<std::string> api_keys;
  std::vector<std::string> admin_keys;
  bool no_auth;
  std::string header;
  int open;  // the statuses of the three routes
  int user;
  int admin;
};

class Authentication : public testing::TestWithParam<AuthCase> {};

TEST_P(Authentication, GivesEachCallerItsRoutes) {
  const AuthCase& test = GetParam();
  ServerOptions options;
  options.auth.api_keys = test.api_keys;
  options.auth.admin_keys = test.admin_keys;
  options.auth.no_auth = test.no_auth;
  RunningServer server(options, routes());

  EXPECT_EQ(exchange(server.port(), get("/open", test.header)).status, test.open);
  EXPECT_EQ(exchange(server.port(), get("/user", test.header)).status, test.user);
  EXPECT_EQ(exchange(server.port(), get("/admin", test.header)).status, test.admin);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Authentication,
    testing::Values(
        AuthCase{"LoopbackWithoutKeys", {}, {}, false, "", 200, 200, 200},
        AuthCase{"NoKeySent", {"k1"}, {"a1"}, false, "", 200, 401, 401},
        AuthCase{"Bearer", {"k1"}, {"a1"}, false, "Authorization: Bearer k1\r\n", 200, 200, 403},
        AuthCase{"BearerLower", {"k1"}, {}, false, "authorization: bearer k1\r\n", 200, 200, 403},
        AuthCase{"ApiKeyHeader", {"k1", "k2"}, {}, false, "x-api-key: k2\r\n", 200, 200, 403},
        AuthCase{"AdminKey", {"k1"}, {"a1"}, false, "x-api-key: a1\r\n", 200, 200, 200},
        AuthCase{"WrongKey", {"k1"}, {"a1"}, false, "Authorization: Bearer k2\r\n", 200, 401, 401},
        AuthCase{"PrefixOfAKey", {"k1"}, {}, false, "Authorization: Bearer k\r\n", 200, 401, 401},
        AuthCase{"LongerThanAKey", {"k1"}, {}, false, "x-api-key: k11\r\n", 200, 401, 401},
        AuthCase{"Basic", {"k1"}, {}, false, "Authorization: Basic k1\r\n", 200, 401, 401},
        AuthCase{"EmptyBearer", {"k1"}, {}, false, "Authorization: Bearer \r\n", 200, 401, 401},
        AuthCase{
            "EitherHeader",
            {"k1"},
            {},
            false,
            "Authorization: Bearer dummy\r\nx-api-key: k1\r\n",
            200,
            200,
            403
        },
        AuthCase{"OnlyAnAdminKey", {}, {"a1"}, false, "", 200, 401, 401},
        AuthCase{"NoAuth", {}, {}, true, "", 200, 200, 200},
        AuthCase{"NoAuthButAdminKey", {}, {"a1"}, true, "", 200, 200, 403},
        AuthCase{"NoAuthAndAdminKey", {}, {"a1"}, true, "x-api-key: a1\r\n", 200, 200, 200}
    ),
    [](const auto& test) { return std::string(test.param.name); }
);

TEST(AuthenticationOf, AnotherAddressNeedsAKeyOrNoAuth) {
  ServerOptions options;
  options.host = "0.0.0.0";
  options.port = 0;
  std::string message;
  try {
    const Server server(options, routes());
  } catch (const UserError& error) {
    message = error.what();
  }
  EXPECT_THAT(message, HasSubstr("needs a key: give --api-key or --key-file, or --no-auth"));

  options.auth.no_auth = true;
  RunningServer open(options, routes());
  EXPECT_EQ(exchange(open.port(), get("/user")).status, 200);
  EXPECT_EQ(exchange(open.port(), get("/admin")).status, 403) << "strangers are no administrators";
}

TEST(AuthenticationOf, ARefusedRequestIsNotRead) {
  ServerOptions options;
  options.auth.api_keys = {"k1"};
  RunningServer server(options, {echo_route("/echo")});
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");

  const RawResponse response = client.read_response();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers.at("www-authenticate"), "Bearer");
  EXPECT_THAT(response.body, HasSubstr("\"code\":\"invalid_api_key\""));
}

TEST(AuthenticationOf, EmptyKeysAndContradictionsAreRefused) {
  ServerOptions empty;
  empty.auth.api_keys = {""};
  ServerOptions both;
  both.auth.api_keys = {"k1"};
  both.auth.no_auth = true;

  EXPECT_THROW(Server(empty, {}), UserError);
  EXPECT_THROW(Server(both, {}), UserError);
}

TEST(ApiKey, HashesAsSha256) {
  // FIPS 180-2, appendix B.1: the message "abc".
  EXPECT_EQ(
      key_file_line({Access::kUser, hash_key("abc"), "alice"}),
      "user sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad alice"
  );
}

TEST(ApiKey, ReadsTheLinesOfAFile) {
  const std::string line = key_file_line({Access::kAdmin, hash_key("a1"), ""});
  const auto keys =
      parse_key_file("# keys\n\n  " + line + "\nuser " + line.substr(6) + " bob\n", "f");

  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].access, Access::kAdmin);
  EXPECT_EQ(keys[0].hash, hash_key("a1"));
  EXPECT_EQ(keys[1].access, Access::kUser);
  EXPECT_EQ(keys[1].name, "bob");
}

TEST(ApiKey, NamesTheLineThatIsWrong) {
  const std::string good = key_file_line({Access::kUser, hash_key("k"), ""});
  for (const std::string& line :
       {std::string("root ") + good.substr(5), good + "0", good.substr(0, good.size() - 1),
        good + " a name", std::string("user sha256:") + std::string(64, 'g'),
        std::string("user secret")}) {
    SCOPED_TRACE(line);
    try {
      parse_key_file(good + "\n" + line + "\n", "keys.txt");
      ADD_FAILURE() << "was taken";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), testing::StartsWith("keys.txt:2: expected"));
    }
  }
}

class KeyFileTest : public testing::Test {
 protected:
  /// As an editor or a deployment does: the file is replaced whole.
  void write(const std::string& text) {
    const std::string next = path_.string() + ".next";
    std::ofstream(next) << text;
    std::filesystem::rename(next, path_);
  }

  TemporaryDirectory folder_;
  std::filesystem::path path_ = folder_.path() / "keys";
};

TEST_F(KeyFileTest, IsReadAgainWhenItChanges) {
  write(key_file_line({Access::kUser, hash_key("old"), ""}) + "\n");
  ServerOptions options;
  options.auth.key_file = path_;
  options.auth.key_file_check = 0ms;
  RunningServer server(options, routes());
  const auto status_with = [&](const std::string& key) {
    return exchange(server.port(), get("/user", "x-api-key: " + key + "\r\n")).status;
  };
  EXPECT_EQ(status_with("old"), 200);
  EXPECT_EQ(status_with("new"), 401);

  write(key_file_line({Access::kUser, hash_key("new"), ""}) + "\n");
  EXPECT_EQ(status_with("old"), 401);
  EXPECT_EQ(status_with("new"), 200);

  write("nonsense\n");
  EXPECT_EQ(status_with("new"), 200) << "the keys of before stay";
  std::filesystem::remove(path_);
  EXPECT_EQ(status_with("new"), 200) << "the keys of before stay";
}

TEST_F(KeyFileTest, ThatIsMissingOrWrongIsRefusedAtStart) {
  ServerOptions options;
  options.auth.key_file = path_;
  EXPECT_THROW(Server(options, routes()), UserError);
  write("nonsense\n");
  EXPECT_THROW(Server(options, routes()), UserError);
}

}  // namespace
}  // namespace trellis::server
