// An engine that answers from a script, for what no model can be brought to say.
#pragma once

#include "server/api_harness.h"
#include "text/chat_template.h"

#include <deque>
#include <optional>

namespace trellis::server {

inline Event text_event(const std::string& text) {
  Event event;
  event.text = text;
  event.token_ids = {7};
  return event;
}

inline Event last_event(FinishReason reason) {
  Event event;
  event.finished = true;
  event.finish_reason = reason;
  return event;
}

inline Event failure(const std::string& message) {
  Event event;
  event.finished = true;
  event.finish_reason = FinishReason::kError;
  event.error = message;
  return event;
}

class ScriptedStream final : public EventStream {
 public:
  ScriptedStream(std::deque<Event> events, int& num_cancelled)
      : events_(std::move(events)), num_cancelled_(num_cancelled) {}
  ~ScriptedStream() override { cancel(); }

  std::optional<Event> next() override { return try_next(); }
  std::optional<Event> try_next() override {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    finished_ = event.finished;
    if (!events_.empty()) wake_();
    return event;
  }
  void on_ready(std::function<void()> wake) override {
    wake_ = std::move(wake);
    if (!events_.empty()) wake_();
  }
  void cancel() override {
    if (!finished_) ++num_cancelled_;
    finished_ = true;
  }

 private:
  std::deque<Event> events_;
  int& num_cancelled_;
  std::function<void()> wake_;
  bool finished_ = false;
};

/// A real model's text, and answers from a script: one a request, then refusals.
class ScriptedEngine final : public Engine {
 public:
  explicit ScriptedEngine(Engine& real) : real_(real) {}

  Result<std::unique_ptr<EventStream>> submit(Request request) override {
    requests.push_back(std::move(request));
    if (scripts.empty()) return ApiError{429, "overloaded", "too many requests", ""};
    std::unique_ptr<EventStream> stream =
        std::make_unique<ScriptedStream>(std::move(scripts.front()), num_cancelled);
    scripts.pop_front();
    return stream;
  }
  void stop() override { failed = true; }
  const ModelInfo& info() const override { return real_.info(); }
  EngineStats stats() const override {
    EngineStats stats;
    stats.failed = failed;
    return stats;
  }
  const Tokenizer& tokenizer() const override { return real_.tokenizer(); }
  const ChatTemplate* chat_template() const override {
    if (!has_template) return nullptr;
    return own_template ? &*own_template : real_.chat_template();
  }
  const SamplingParams& default_sampling() const override { return real_.default_sampling(); }

  std::deque<std::deque<Event>> scripts;
  int num_cancelled = 0;
  bool failed = false;
  bool has_template = true;
  std::optional<ChatTemplate> own_template;  // in place of the model's
  std::vector<Request> requests;             // that were submitted

 private:
  Engine& real_;
};

}  // namespace trellis::server
