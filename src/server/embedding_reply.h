// The reply to a request for embeddings: its inputs go to the engine a few at a time.
#pragma once

#include "base/result.h"
#include "server/reply.h"
#include "trellis/engine.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trellis::server {

/// Destruction cancels what is still running.
class EmbeddingReply final : public PendingReply {
 public:
  /// How many inputs of one HTTP request the engine has at a time.
  static constexpr size_t kMostAtOnce = 64;

  using Vectors = std::vector<std::vector<float>>;
  /// Writes the document of all embeddings, in the order of the inputs.
  using Write = std::function<std::string(const Vectors& embeddings, const AnswerFigures& figures)>;

  /// Queues the first requests, each of which has its pooling. The error of the first that is
  /// refused. The engine is borrowed.
  static Result<std::unique_ptr<EmbeddingReply>> submit(
      Engine& engine, std::vector<Request> requests, Write write
  );

  void on_ready(std::function<void()> wake) override;
  std::optional<Reply> poll() override;

 private:
  struct Running {
    size_t index;
    std::unique_ptr<EventStream> stream;
  };

  EmbeddingReply(Engine& engine, std::vector<Request> requests, Write write)
      : engine_(engine),
        requests_(std::move(requests)),
        write_(std::move(write)),
        embeddings_(requests_.size()) {}

  /// Queues requests as far as there is room for them.
  std::optional<ApiError> submit_more();
  std::optional<ApiError> take(size_t index, Event event);
  Reply fail(const ApiError& error);

  Engine& engine_;
  std::vector<Request> requests_;
  Write write_;
  Vectors embeddings_;
  size_t num_submitted_ = 0;
  std::vector<Running> running_;
  std::function<void()> wake_;
  AnswerFigures figures_;
  bool sent_ = false;
};

}  // namespace trellis::server
