#include "server/embedding_reply.h"

#include "server/answer_set.h"
#include "server/error_reply.h"

#include <utility>

namespace trellis::server {

Result<std::unique_ptr<EmbeddingReply>> EmbeddingReply::submit(
    Engine& engine, std::vector<Request> requests, Write write
) {
  std::unique_ptr<EmbeddingReply> reply(
      new EmbeddingReply(engine, std::move(requests), std::move(write))
  );
  if (auto error = reply->submit_more()) return *error;
  return reply;
}

void EmbeddingReply::on_ready(std::function<void()> wake) {
  wake_ = std::move(wake);
  for (const Running& running : running_) running.stream->on_ready(wake_);
}

std::optional<ApiError> EmbeddingReply::submit_more() {
  constexpr int kOverloaded = 429;
  while (num_submitted_ < requests_.size() && running_.size() < kMostAtOnce) {
    auto stream = engine_.submit(requests_[num_submitted_]);
    if (!stream.ok()) {
      ApiError error = stream.error();
      // There will be room when one of those that run has ended.
      if (error.status == kOverloaded && !running_.empty()) return std::nullopt;
      if (error.parameter == "prompt") error.parameter = "input";
      return error;
    }
    running_.push_back({num_submitted_, std::move(stream).value()});
    requests_[num_submitted_++] = {};
    if (wake_) running_.back().stream->on_ready(wake_);
  }
  return std::nullopt;
}

std::optional<ApiError> EmbeddingReply::take(size_t index, Event event) {
  if (auto error = error_of(event)) return error;
  embeddings_[index] = std::move(event.embedding);
  figures_.prompt_tokens += event.usage.prompt_tokens;
  figures_.cached_tokens += event.usage.cached_tokens;
  return std::nullopt;
}

std::optional<Reply> EmbeddingReply::poll() {
  if (sent_) return std::nullopt;
  std::vector<Running> running = std::exchange(running_, {});
  for (Running& entry : running) {
    std::optional<Event> event = entry.stream->try_next();
    if (!event) {
      running_.push_back(std::move(entry));
    } else if (const auto error = take(entry.index, *std::move(event))) {
      return fail(*error);
    }
  }
  if (const auto error = submit_more()) return fail(*error);
  if (!running_.empty()) return std::nullopt;
  sent_ = true;
  Reply reply;
  reply.body = write_(embeddings_, figures_);
  reply.figures = figures_;
  return reply;
}

Reply EmbeddingReply::fail(const ApiError& error) {
  sent_ = true;
  running_.clear();  // the others are of no use any more
  return error_reply(error);
}

}  // namespace trellis::server
