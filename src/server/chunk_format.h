// What replies in the style of OpenAI's completions have in common: documents of choices, and
// streams of chunks that end with the usage, if it was asked for, and [DONE].
#pragma once

#include "server/api/answer_json.h"
#include "server/generated_reply.h"

namespace trellis::server {

class ChunkFormat : public ReplyFormat {
 public:
  std::string end(const AnswerFigures& figures) override;
  std::string error(const ApiError& error) override { return sse_event(error_body(error)); }

 protected:
  /// chunk_object: the "object" of a chunk.
  ChunkFormat(AnswerHead head, const char* chunk_object, bool include_usage)
      : head_(std::move(head)), chunk_object_(chunk_object), include_usage_(include_usage) {}

  /// The document of all choices.
  std::string document(const char* object, OrderedJson choices, const AnswerFigures& figures) const;
  /// The event of one choice.
  std::string chunk(OrderedJson choice) const;

 private:
  AnswerHead head_;
  const char* chunk_object_;
  bool include_usage_;
};

}  // namespace trellis::server
