// Reads a streamed answer as it comes and notes what of it a load test counts.
#pragma once

#include "apps/trellis/bench_serve/request_record.h"

#include <optional>
#include <string>
#include <string_view>

namespace trellis {

class AnswerReader {
 public:
  /// The record is borrowed.
  explicit AnswerReader(RequestRecord& record) : record_(&record) {}

  /// Bytes of the body that came at now_s. Returns the kind of the failure that they tell of, if
  /// they do.
  std::optional<std::string> feed(std::string_view bytes, double now_s);

  /// Whether the stream has come to its proper end.
  bool is_complete() const { return is_complete_; }

 private:
  std::optional<std::string> take_event(std::string_view data, double now_s);

  RequestRecord* record_;
  std::string rest_;  // the beginning of a line
  bool is_complete_ = false;
};

/// "HTTP 429 overloaded": of a reply that is not 200. The code is that of an error in OpenAI's
/// shape.
std::string http_failure(unsigned status, std::string_view body);

}  // namespace trellis
