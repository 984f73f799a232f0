#include "server/request_log.h"

#include <gtest/gtest.h>

namespace trellis::server {
namespace {

TEST(RequestLog, TellsOneRequestInALine) {
  RequestRecord record;
  record.method = "POST";
  record.target = "/v1/completions?key=secret";
  record.status = 200;
  record.seconds = 0.4125;
  record.request_id = "req-1";
  record.caller = "ci";
  record.figures = AnswerFigures{
      .prompt_tokens = 12,
      .cached_tokens = 8,
      .answer_tokens = 20,
      .first_token_s = 0.0512,
      .tokens_per_s = 58.13
  };

  EXPECT_EQ(
      request_line(record),
      "POST /v1/completions 200 0.412s id=req-1 key=ci prompt=12 cached=8 tokens=20 ttft=0.051s "
      "tok/s=58.1"
  );
}

TEST(RequestLog, LeavesOutWhatIsNotKnown) {
  RequestRecord record;
  record.status = 400;
  record.request_id = "req-1";

  EXPECT_EQ(request_line(record), "- - 400 0.000s id=req-1");
}

}  // namespace
}  // namespace trellis::server
