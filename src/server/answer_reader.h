// The events of one answer, taken apart into what clients are sent: text, thoughts and calls.
#pragma once

#include "dialog/answer_parser.h"
#include "trellis/engine.h"

#include <string>
#include <vector>

namespace trellis::server {

/// A call of a tool.
struct CallPart {
  std::string id;
  std::string name;
  std::string arguments;  // JSON; the beginning of it where the answer was cut off
};

/// All that an answer holds so far.
struct AnswerParts {
  std::string text;
  std::string reasoning;
  std::vector<CallPart> calls;
};

class AnswerReader {
 public:
  /// id_prefix: of the ids of calls, e.g. "call_"; a template that wants short ids gets them
  /// without.
  AnswerReader(const AnswerShape& shape, const char* id_prefix)
      : parser_(shape),
        id_prefix_(id_prefix),
        has_short_ids_(shape.tools && shape.tools->short_ids) {}

  /// The pieces that the event completes; they are part of parts() by then.
  std::vector<AnswerPiece> take(const Event& event);

  const AnswerParts& parts() const { return parts_; }

  /// The answer ends with calls that the client is to make.
  bool ends_with_calls(const Event& last) const {
    return last.finish_reason == FinishReason::kStop && !parts_.calls.empty();
  }

 private:
  AnswerParser parser_;
  AnswerParts parts_;
  const char* id_prefix_;
  bool has_short_ids_;
};

}  // namespace trellis::server
