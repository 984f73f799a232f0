#include "server/request_reader.h"

#include "server/request_target.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>
#include <utility>

namespace trellis::server {
namespace {

namespace http = boost::beast::http;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// Beast's own limit depends by a few bytes on where the input is cut.
constexpr size_t kLimitSlack = 16;

// "0\r\n\r\n": no body in chunks ends with less. Given less, Beast may take it that it had more.
constexpr size_t kLeastChunkBytes = 5;

}  // namespace

struct RequestReader::Parser {
  http::request_parser<http::string_body> http;
};

std::string_view RequestHead::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

RequestReader::RequestReader(size_t most_header_bytes, uint64_t most_body_bytes)
    : parser_(std::make_unique<Parser>()),
      most_header_bytes_(most_header_bytes),
      most_body_bytes_(most_body_bytes) {
  parser_->http.header_limit(static_cast<uint32_t>(most_header_bytes + kLimitSlack));
  parser_->http.body_limit(most_body_bytes);
}

RequestReader::~RequestReader() = default;

size_t RequestReader::feed(std::string_view input) {
  size_t used = 0;
  const bool was_head = state_ == State::kHead;
  while (used < input.size() && (state_ == State::kHead || state_ == State::kBody)) {
    const bool in_chunks = state_ == State::kBody && parser_->http.chunked();
    if (in_chunks && input.size() - used < kLeastChunkBytes) break;
    boost::system::error_code error;
    const size_t num_bytes = parser_->http.put(
        boost::asio::const_buffer(input.data() + used, input.size() - used), error
    );
    used += num_bytes;
    if (state_ == State::kHead) header_bytes_ += num_bytes;
    const bool needs_more = error == http::error::need_more;
    // All that is left belongs to a head that has not ended.
    const size_t rest = state_ == State::kHead && needs_more ? input.size() - used : 0;
    if (error == http::error::header_limit || header_bytes_ + rest > most_header_bytes_) {
      fail(
          {431, "headers_too_large",
           fmt::format("the headers are longer than {} bytes", most_header_bytes_), ""}
      );
    } else if (needs_more) {
      break;
    } else if (error == http::error::body_limit) {
      fail_too_large();
    } else if (error) {
      fail({400, "malformed_request", "the request is not HTTP/1.1: " + error.message(), ""});
    } else if (state_ == State::kHead && parser_->http.is_header_done()) {
      finish_head();
    }
    if (state_ == State::kBody && parser_->http.is_done()) state_ = State::kComplete;
    if (was_head && state_ == State::kBody) break;
  }
  return used;
}

void RequestReader::finish_head() {
  const auto& message = parser_->http.get();
  head_.method = view(message.method_string());
  head_.target = view(message.target());
  head_.is_http_1_0 = message.version() < 11;
  head_.keep_alive = parser_->http.keep_alive();
  int num_hosts = 0;
  for (const auto& field : message) {
    std::string& value = head_.headers[lower_case(view(field.name_string()))];
    if (!value.empty()) value += ", ";
    value += view(field.value());
    if (field.name() == http::field::host) ++num_hosts;
  }
  head_.expects_continue = lower_case(head_.header("expect")) == "100-continue";
  const auto length = parser_->http.content_length();
  head_.has_body = parser_->http.chunked() || (length && *length > 0);
  if (head_.headers.contains("transfer-encoding") && !parser_->http.chunked()) {
    fail({501, "malformed_request", "of transfer encodings, chunked alone is understood", ""});
    return;
  }
  if (num_hosts > 1 || (num_hosts == 0 && !head_.is_http_1_0)) {
    fail({400, "malformed_request", "the request needs one Host header", ""});
    return;
  }
  auto target = parse_target(head_.target);
  if (!target) {
    fail(target.error());
    return;
  }
  head_.path = std::move(target.value().path);
  head_.query = std::move(target.value().query);
  state_ = State::kBody;
}

void RequestReader::limit_body(uint64_t most_bytes) {
  if (state_ != State::kBody) return;
  most_body_bytes_ = most_bytes;
  const auto length = parser_->http.content_length();
  if (length && *length > most_bytes) {
    fail_too_large();
  } else if (parser_->http.chunked()) {
    parser_->http.body_limit(most_bytes);
  }
}

void RequestReader::fail_too_large() {
  fail(
      {413, "body_too_large", fmt::format("the body is longer than {} bytes", most_body_bytes_), ""}
  );
}

void RequestReader::fail(ApiError error) {
  state_ = State::kFailed;
  error_ = std::move(error);
}

std::string RequestReader::take_body() {
  TRELLIS_CHECK(state_ == State::kComplete, "the body of a request that is not complete");
  return std::move(parser_->http.get().body());
}

}  // namespace trellis::server
