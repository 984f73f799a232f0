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

/// Writes what the engine generates, as one document or as server-sent events.
class ReplyFormat {
 public:
  virtual ~ReplyFormat() = default;

  /// The document of complete answers, in the order of the choices.
  virtual std::string whole(const std::vector<Event>& answers, const AnswerFigures& figures) = 0;
  /// The document in its place when an answer has failed.
  virtual std::string whole_error(const ApiError& error) { return error_body(error); }

  virtual std::string begin() = 0;
  /// Empty where the event has nothing to show.
  virtual std::string part(size_t choice, const Event& event) = 0;
  virtual std::string end(const AnswerFigures& figures) = 0;
  /// Takes the place of all that would follow.
  virtual std::string error(const ApiError& error) = 0;
};

/// The reply when all answers are complete, or as they come. choices_per_prompt: so many
/// neighbouring choices have one prompt.
Outcome generated_reply(
    AnswerSet answers, size_t choices_per_prompt, bool streams, std::unique_ptr<ReplyFormat> format
);

/// One server-sent event: "data: ...\n\n". The data are one line.
std::string sse_event(const std::string& data);

}  // namespace trellis::server
