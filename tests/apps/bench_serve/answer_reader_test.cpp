#include "apps/trellis/bench_serve/answer_reader.h"

#include "apps/trellis/bench_serve/server_url.h"
#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

std::string event(const std::string& data) {
  return "data: " + data + "\n\n";
}

constexpr const char* kText = R"({"choices": [{"text": "a"}], "usage": null})";

TEST(AnswerReader, NotesWhenTextComes) {
  RequestRecord record;
  AnswerReader reader(record);

  EXPECT_EQ(
      reader.feed(event(R"({"choices": [{"delta": {"role": "assistant", "content": ""}}]})"), 1),
      std::nullopt
  );
  EXPECT_EQ(reader.feed(event(kText), 2), std::nullopt);
  EXPECT_EQ(reader.feed(": ping\n\n", 3), std::nullopt);
  EXPECT_EQ(reader.feed(event(R"({"choices": [{"delta": {"content": "b"}}]})"), 4), std::nullopt);
  EXPECT_EQ(
      reader.feed(event(R"({"choices": [{"delta": {"reasoning_content": "c"}}]})"), 5), std::nullopt
  );
  EXPECT_EQ(record.output_tokens, 3) << "pieces, as long as nothing better is known";
  EXPECT_EQ(
      reader.feed(
          event(R"({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})"), 6
      ),
      std::nullopt
  );
  EXPECT_FALSE(reader.is_complete());
  EXPECT_EQ(reader.feed(event("[DONE]"), 7), std::nullopt);

  EXPECT_TRUE(reader.is_complete());
  EXPECT_EQ(record.text_s, (std::vector<double>{2, 4, 5}));
  EXPECT_EQ(record.prompt_tokens, 7);
  EXPECT_EQ(record.output_tokens, 5);
}

TEST(AnswerReader, TakesBytesHoweverTheyAreCut) {
  const std::string bytes = "data:" + std::string(kText) + "\r\n\r\n" + event("[DONE]");
  RequestRecord record;
  AnswerReader reader(record);

  double now_s = 0;
  for (const char byte : bytes) EXPECT_EQ(reader.feed({&byte, 1}, ++now_s), std::nullopt);

  EXPECT_TRUE(reader.is_complete());
  // When the end of its line came.
  EXPECT_EQ(record.text_s, (std::vector<double>{static_cast<double>(bytes.find('\n') + 1)}));
}

TEST(AnswerReader, TellsOfErrorsInTheStream) {
  RequestRecord record;
  EXPECT_EQ(
      AnswerReader(record).feed(
          event(R"({"error": {"message": "m", "code": "engine_failed"}})"), 1
      ),
      "stream engine_failed"
  );
  EXPECT_EQ(AnswerReader(record).feed(event("{"), 1), "not JSON");
  EXPECT_EQ(AnswerReader(record).feed(std::string(5 << 20, 'a'), 1), "line too long");
}

TEST(AnswerReader, NamesFailuresByStatusAndCode) {
  EXPECT_EQ(http_failure(429, R"({"error": {"code": "overloaded"}})"), "HTTP 429 overloaded");
  EXPECT_EQ(http_failure(502, "<html>"), "HTTP 502");
  EXPECT_EQ(http_failure(500, R"({"error": "x"})"), "HTTP 500");
}

TEST(ServerUrl, HasHostPortAndPrefix) {
  const ServerUrl url = parse_server_url("http://example.org:8080/a/b/");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, "8080");
  EXPECT_EQ(url.prefix, "/a/b");
  EXPECT_EQ(url.authority(), "example.org:8080");
  EXPECT_EQ(parse_server_url("http://localhost").port, "80");
  EXPECT_EQ(parse_server_url("http://[::1]:9").host, "::1");
  EXPECT_EQ(parse_server_url("http://[::1]:9").authority(), "[::1]:9");
}

TEST(ServerUrl, RefusesWhatIsNone) {
  for (const char* text :
       {"", "localhost:80", "ftp://a", "http://", "http://a:b", "http://a?b", "http://u@a",
        "http://a b", "http://a\r\nb", "https://a"}) {
    EXPECT_THROW(parse_server_url(text), UserError) << text;
  }
}

}  // namespace
}  // namespace trellis
