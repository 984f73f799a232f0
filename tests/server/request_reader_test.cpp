#include "server/request_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis::server {
namespace {

using State = RequestReader::State;

constexpr size_t kHeaderBytes = 4096;
constexpr uint64_t kBodyBytes = 100;

/// Feeds all of the text, as a connection does: what is not taken is given again.
void feed_all(RequestReader& reader, std::string_view text) {
  while (!text.empty()) {
    const size_t used = reader.feed(text);
    if (used == 0) return;
    text.remove_prefix(used);
  }
}

int status_of(std::string_view text) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  feed_all(reader, text);
  return reader.state() == State::kFailed ? reader.error().status : 0;
}

TEST(RequestReader, ReadsHeadAndBody) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  feed_all(
      reader,
      "POST /v1/a%20b?x=1&y=a+b%26 HTTP/1.1\r\nHost: h\r\nX-Two: a\r\nX-TWO: b\r\n"
      "Content-Length: 5\r\n\r\nhello"
  );

  ASSERT_EQ(reader.state(), State::kComplete);
  const RequestHead& head = reader.head();
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v1/a b");
  EXPECT_EQ(head.query.at("x"), "1");
  EXPECT_EQ(head.query.at("y"), "a b&");
  EXPECT_EQ(head.header("x-two"), "a, b");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.has_body);
  EXPECT_EQ(reader.take_body(), "hello");
}

TEST(RequestReader, GivesTheSameForEveryPlaceWhereBytesAreCut) {
  const std::string text =
      "POST /p?q=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";
  for (size_t cut = 1; cut < text.size(); ++cut) {
    SCOPED_TRACE(cut);
    RequestReader reader(kHeaderBytes, kBodyBytes);
    std::string input = text.substr(0, cut);
    while (const size_t used = reader.feed(input)) input.erase(0, used);
    ASSERT_NE(reader.state(), State::kComplete);
    input += text.substr(cut);
    while (const size_t used = reader.feed(input)) input.erase(0, used);

    ASSERT_EQ(reader.state(), State::kComplete);
    EXPECT_EQ(reader.head().path, "/p");
    EXPECT_EQ(reader.take_body(), "hello, world");
    EXPECT_EQ(input, "");
  }
}

TEST(RequestReader, ReadsAnEmptyBodyInChunksByteByByte) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  RequestReader reader(kHeaderBytes, kBodyBytes);
  std::string input;
  for (const char byte : text) {
    input.push_back(byte);
    while (const size_t used = reader.feed(input)) input.erase(0, used);
  }

  ASSERT_EQ(reader.state(), State::kComplete);
  EXPECT_EQ(reader.take_body(), "");
  EXPECT_EQ(input, "");
}

TEST(RequestReader, LeavesTheNextRequestInTheInput) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  std::string input = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n";
  while (const size_t used = reader.feed(input)) input.erase(0, used);

  EXPECT_EQ(reader.state(), State::kComplete);
  EXPECT_EQ(reader.head().path, "/a");
  EXPECT_EQ(input, "GET /b HTTP/1.1\r\n");
}

TEST(RequestReader, RefusesHeadersThatAreTooLarge) {
  const std::string line = "X-Long: " + std::string(kHeaderBytes, 'x') + "\r\n";

  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\n" + line + "\r\n"), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\n" + line), 431) << "before they end";
  EXPECT_EQ(status_of("GET /" + std::string(kHeaderBytes, 'x')), 431);
  EXPECT_EQ(status_of("GET /" + std::string(kHeaderBytes - 5, 'x')), 0) << "it may still end";
}

TEST(RequestReader, LimitsHeadersToTheByteWhereverTheyAreCut) {
  const auto request_of = [](size_t bytes) {
    const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    return head + std::string(bytes - head.size() - 4, 'x') + "\r\n\r\n";
  };
  const auto state_of = [](const std::string& text, size_t piece) {
    RequestReader reader(kHeaderBytes, kBodyBytes);
    std::string input;
    for (size_t begin = 0; begin < text.size(); begin += piece) {
      input += text.substr(begin, piece);
      while (const size_t used = reader.feed(input)) input.erase(0, used);
    }
    return reader.state();
  };

  for (const size_t piece : {size_t{1}, size_t{7}, kHeaderBytes * 2}) {
    SCOPED_TRACE(piece);
    EXPECT_EQ(state_of(request_of(kHeaderBytes), piece), State::kComplete);
    EXPECT_EQ(state_of(request_of(kHeaderBytes + 1), piece), State::kFailed);
  }
}

TEST(RequestReader, RefusesABodyByItsLengthBeforeItComes) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n"), 413);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n"), 0);
}

TEST(RequestReader, RefusesChunksThatAreTooLargeTogether) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string half = "3c\r\n" + std::string(60, 'x') + "\r\n";

  EXPECT_EQ(status_of(head + half), 0);
  EXPECT_EQ(status_of(head + half + half), 413);
}

TEST(RequestReader, TakesASmallerLimitWhenTheHeadIsThere) {
  RequestReader by_length(kHeaderBytes, kBodyBytes);
  feed_all(by_length, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n");
  by_length.limit_body(10);
  RequestReader by_chunks(kHeaderBytes, kBodyBytes);
  feed_all(by_chunks, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  by_chunks.limit_body(10);
  feed_all(by_chunks, "b\r\nhello, worl\r\n");

  EXPECT_EQ(by_length.state(), State::kFailed);
  EXPECT_EQ(by_length.error().status, 413);
  EXPECT_EQ(by_chunks.error().status, 413);
}

struct Malformed {
  const char* name;
  const char* text;
  int status;
};

class MalformedRequest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedRequest, IsRefused) {
  EXPECT_EQ(status_of(GetParam().text), GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(
    RequestReader, MalformedRequest,
    testing::Values(
        Malformed{"NoVersion", "GET /\r\n\r\n", 400},
        Malformed{"Version2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 400},
        Malformed{"NotHttp", "\x16\x03\x01\x02\x01\r\n\r\n", 400},
        Malformed{"NoPath", "GET nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Malformed{"WrongEscape", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Malformed{"EscapedNul", "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Malformed{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Malformed{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        Malformed{"SpaceInName", "GET / HTTP/1.1\r\nHost: h\r\nA B: c\r\n\r\n", 400},
        Malformed{"ControlInValue", "GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n", 400},
        Malformed{
            "LengthNoNumber", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ten\r\n\r\n", 400
        },
        Malformed{
            "NegativeLength", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400
        },
        Malformed{
            "TwoLengths",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400
        },
        Malformed{
            "LengthAndChunks",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400
        },
        Malformed{
            "ChunksAndLength",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            400
        },
        Malformed{
            "UnknownEncoding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501
        },
        Malformed{
            "WrongChunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400
        }
    ),
    [](const auto& test) { return std::string(test.param.name); }
);

TEST(RequestReader, TakesTheFormOfProxies) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  feed_all(reader, "GET http://h:8080/a?b=c HTTP/1.1\r\nHost: h\r\n\r\n");

  ASSERT_EQ(reader.state(), State::kComplete);
  EXPECT_EQ(reader.head().path, "/a");
  EXPECT_EQ(reader.head().query.at("b"), "c");
}

TEST(RequestReader, KeepsNoConnectionOfHttp10UnlessAsked) {
  RequestReader plain(kHeaderBytes, kBodyBytes);
  feed_all(plain, "GET / HTTP/1.0\r\n\r\n");
  RequestReader asked(kHeaderBytes, kBodyBytes);
  feed_all(asked, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

  EXPECT_FALSE(plain.head().keep_alive);
  EXPECT_TRUE(asked.head().keep_alive);
}

}  // namespace
}  // namespace trellis::server
