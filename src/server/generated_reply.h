// The two ways to send what the engine generates: at once when it is complete, and as it comes.
#pragma once

#include "server/answer_set.h"
#include "server/error_reply.h"
#include "server/reply.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace trellis::server {

/// Gathers the figures of a reply while its events pass by.
class FigureCounter {
 public:
  /// choices_per_prompt: so many neighbouring choices have one prompt, which counts once.
  explicit FigureCounter(size_t choices_per_prompt) : choices_per_prompt_(choices_per_prompt) {}

  void count(size_t choice, const Event& event);
  /// Complete when all answers have finished.
  const AnswerFigures& figures() const { return figures_; }

 private:
  using Clock = std::chrono::steady_clock;

  size_t choices_per_prompt_;
  Clock::time_point begin_ = Clock::now();
  bool has_token_ = false;
  double decode_s_ = 0.0;
  int64_t decode_steps_ = 0;
  AnswerFigures figures_;
};

/// Makes the document of a reply from complete answers, in the order of the choices.
using FormatReply =
    std::function<std::string(const std::vector<Event>& answers, const AnswerFigures& figures)>;

/// Makes the document of an error.
using FormatError = std::string (*)(const ApiError& error);

/// The reply when all answers are complete. One that fails makes it an error.
std::unique_ptr<PendingReply> whole_reply(
    AnswerSet answers, size_t choices_per_prompt, FormatReply format,
    FormatError format_error = error_body
);

/// Writes the parts of a stream as server-sent events.
class StreamFormat {
 public:
  virtual ~StreamFormat() = default;
  virtual std::string begin() = 0;
  /// Empty where the event has nothing to show.
  virtual std::string part(size_t choice, const Event& event) = 0;
  virtual std::string end(const AnswerFigures& figures) = 0;
  /// Takes the place of all that would follow.
  virtual std::string error(const ApiError& error) = 0;
};

std::unique_ptr<ReplyStream> streamed_reply(
    AnswerSet answers, size_t choices_per_prompt, std::unique_ptr<StreamFormat> format
);

/// One server-sent event: "data: ...\n\n". The data are one line.
std::string sse_event(const std::string& data);

}  // namespace trellis::server
