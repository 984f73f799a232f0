#include "server/answer_set.h"

namespace trellis::server {

Result<AnswerSet> AnswerSet::submit(
    Engine& engine, std::vector<Request> requests, const char* prompt_field,
    const std::string& grammar_field
) {
  AnswerSet answers;
  for (Request& request : requests) {
    auto stream = engine.submit(std::move(request));
    if (!stream.ok()) {
      ApiError error = stream.error();
      if (error.parameter == "prompt") error.parameter = prompt_field;
      if (error.parameter == "grammar") error.parameter = grammar_field;
      return error;
    }
    answers.streams_.push_back(std::move(stream).value());
  }
  answers.num_unfinished_ = answers.streams_.size();
  return answers;
}

void AnswerSet::on_ready(const std::function<void()>& wake) {
  for (const auto& stream : streams_) {
    if (stream) stream->on_ready(wake);
  }
}

std::vector<std::pair<size_t, Event>> AnswerSet::poll() {
  std::vector<std::pair<size_t, Event>> events;
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (!streams_[i]) continue;
    std::optional<Event> event = streams_[i]->try_next();
    if (!event) continue;
    if (event->finished) {
      streams_[i].reset();
      --num_unfinished_;
    }
    events.emplace_back(i, *std::move(event));
  }
  return events;
}

std::optional<ApiError> error_of(const Event& event) {
  if (event.finish_reason != FinishReason::kError) return std::nullopt;
  return ApiError{500, "generation_failed", event.error, ""};
}

}  // namespace trellis::server
