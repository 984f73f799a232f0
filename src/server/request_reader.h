// Reads one HTTP request from bytes as they come, within limits. Knows no socket; Boost.Beast's
// parser is behind it and nowhere else.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace trellis::server {

/// Request line and headers.
struct RequestHead {
  std::string method;
  std::string target;                          // as sent
  std::string path;                            // decoded
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case, repeated ones joined by ", "
  bool is_http_1_0 = false;
  bool keep_alive = false;
  bool expects_continue = false;  // waits for "100 Continue" before it sends the body
  bool has_body = false;

  /// The value or "".
  std::string_view header(const std::string& lower_case_name) const;
};

class RequestReader {
 public:
  enum class State : uint8_t { kHead, kBody, kComplete, kFailed };

  RequestReader(size_t most_header_bytes, uint64_t most_body_bytes);
  ~RequestReader();

  /// Takes what it can use of the input and returns how many bytes that were. In state kHead the
  /// rest has to be given again, with more behind it. Stops where the head ends, and where the
  /// request does. A head that is wrong leads to kFailed.
  size_t feed(std::string_view input);

  State state() const { return state_; }
  /// Complete from kBody on.
  const RequestHead& head() const { return head_; }
  /// What the client is told, in state kFailed.
  const ApiError& error() const { return error_; }
  /// Makes the limit of the body smaller, in state kBody.
  void limit_body(uint64_t most_bytes);
  /// The body, in state kComplete. Once.
  std::string take_body();

 private:
  struct Parser;

  void finish_head();
  void fail_too_large();
  void fail(ApiError error);

  std::unique_ptr<Parser> parser_;
  size_t most_header_bytes_;
  size_t header_bytes_ = 0;  // taken so far
  uint64_t most_body_bytes_;
  State state_ = State::kHead;
  RequestHead head_;
  ApiError error_;
};

}  // namespace trellis::server
