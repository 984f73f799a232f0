#include "server/error_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis::server {
namespace {

TEST(ErrorReply, HasTheShapeOfOpenAi) {
  const Reply reply = error_reply({400, "invalid_value", "top_p: must be below 1", "top_p"});

  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(
      reply.body, R"({"error":{"message":"top_p: must be below 1","type":"invalid_request_error",)"
                  R"("param":"top_p","code":"invalid_value"}})"
  );
}

TEST(ErrorReply, SaysNullWhereThereIsNoParameterOrCode) {
  EXPECT_EQ(
      error_body({503, "", "shutting down", ""}),
      R"({"error":{"message":"shutting down","type":"server_error","param":null,"code":null}})"
  );
}

TEST(ErrorReply, ReplacesBytesThatAreNotUtf8) {
  EXPECT_THAT(error_body({400, "", "found \"\xff\"", ""}), testing::HasSubstr("\xef\xbf\xbd"));
}

}  // namespace
}  // namespace trellis::server
