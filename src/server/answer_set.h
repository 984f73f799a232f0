// The answers to one HTTP request: one stream of the engine for each choice, read together without
// waiting.
#pragma once

#include "base/result.h"
#include "trellis/engine.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace trellis::server {

/// Destruction cancels what is still running.
class AnswerSet {
 public:
  /// Queues all requests, or none: then the error is that of the first which was refused.
  /// prompt_field, grammar_field: as the client knows the prompt and the grammar.
  static Result<AnswerSet> submit(
      Engine& engine, std::vector<Request> requests, const char* prompt_field,
      const std::string& grammar_field
  );

  /// As EventStream::on_ready(), for all of them.
  void on_ready(const std::function<void()>& wake);
  /// The next events, by choice: what has come since the last call.
  std::vector<std::pair<size_t, Event>> poll();

  bool finished() const { return num_unfinished_ == 0; }
  size_t size() const { return streams_.size(); }

 private:
  std::vector<std::unique_ptr<EventStream>> streams_;  // null once it has finished
  size_t num_unfinished_ = 0;
};

/// The error that ended an answer, if one did.
std::optional<ApiError> error_of(const Event& event);

}  // namespace trellis::server
