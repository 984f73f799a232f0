// Replies that a test plays from outside, as an engine would from its thread, and that tell it when
// the server lets go of them.
#pragma once

#include "server/reply.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace trellis::server {

/// The test's end of a reply. Any thread.
class Script {
 public:
  /// Adds bytes for a stream, or the body of a pending reply.
  void put(const std::string& bytes) {
    change([&] { bytes_ += bytes; });
  }
  void finish() {
    change([&] { finished_ = true; });
  }
  /// The next poll throws that.
  void fail(std::string message) {
    change([&] { failure_ = std::move(message); });
  }
  /// Waits until the server has made, or dropped, its end of the reply.
  bool wait_begun() { return wait(begun_); }
  bool wait_destroyed() { return wait(destroyed_); }
  bool is_destroyed() {
    const std::lock_guard lock(mutex_);
    return destroyed_;
  }

 private:
  friend class ScriptedReply;

  static constexpr auto kMostWait = std::chrono::seconds(10);

  template <typename Change>
  void change(const Change& apply) {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      apply();
      wake = wake_;
    }
    changed_.notify_all();
    if (wake) wake();
  }

  bool wait(const bool& flag) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kMostWait, [&flag] { return flag; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> wake_;
  std::string bytes_;
  std::string failure_;
  bool finished_ = false;
  bool begun_ = false;
  bool destroyed_ = false;
};

/// What both kinds of reply do with their script.
class ScriptedReply {
 public:
  explicit ScriptedReply(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedReply() {
    script_->change([this] { script_->destroyed_ = true; });
  }
  ScriptedReply(const ScriptedReply&) = delete;
  ScriptedReply& operator=(const ScriptedReply&) = delete;

  void on_ready(std::function<void()> wake) {
    script_->change([&] {
      script_->wake_ = std::move(wake);
      script_->begun_ = true;
    });
  }

  /// What has been put since, and whether that is all.
  std::pair<std::string, bool> take() {
    const std::lock_guard lock(script_->mutex_);
    if (!script_->failure_.empty()) throw std::runtime_error(script_->failure_);
    return {std::exchange(script_->bytes_, ""), script_->finished_};
  }

 private:
  std::shared_ptr<Script> script_;
};

class ScriptedPending final : public PendingReply {
 public:
  explicit ScriptedPending(std::shared_ptr<Script> script) : scripted_(std::move(script)) {}

  void on_ready(std::function<void()> wake) override { scripted_.on_ready(std::move(wake)); }
  std::optional<Reply> poll() override {
    auto [bytes, finished] = scripted_.take();
    body_ += bytes;
    if (!finished) return std::nullopt;
    Reply reply;
    reply.body = body_;
    return reply;
  }

 private:
  ScriptedReply scripted_;
  std::string body_;
};

class ScriptedStream final : public ReplyStream {
 public:
  explicit ScriptedStream(std::shared_ptr<Script> script) : scripted_(std::move(script)) {}

  void on_ready(std::function<void()> wake) override { scripted_.on_ready(std::move(wake)); }
  std::string poll() override {
    auto [bytes, finished] = scripted_.take();
    finished_ = finished;
    return bytes;
  }
  bool finished() const override { return finished_; }

 private:
  ScriptedReply scripted_;
  bool finished_ = false;
};

/// Begun when its script is finished; says then what was put there.
class ScriptedOutcome final : public PendingOutcome {
 public:
  ScriptedOutcome(std::shared_ptr<Script> script, std::chrono::milliseconds patience)
      : scripted_(std::move(script)), deadline_(std::chrono::steady_clock::now() + patience) {}

  void on_ready(std::function<void()> wake) override { scripted_.on_ready(std::move(wake)); }
  bool is_ready() override {
    auto [bytes, finished] = scripted_.take();
    body_ += bytes;
    return finished;
  }
  std::chrono::steady_clock::time_point deadline() const override { return deadline_; }
  Outcome begin() override {
    Reply reply;
    reply.body = is_ready() ? body_ : "not ready";
    return reply;
  }

 private:
  ScriptedReply scripted_;
  std::chrono::steady_clock::time_point deadline_;
  std::string body_;
};

/// A route whose every reply follows the same script.
inline Route pending_route(const std::string& path, std::shared_ptr<Script> script) {
  return {"POST", path, Access::kUser, [script](const ApiRequest&) -> Outcome {
            return std::make_unique<ScriptedPending>(script);
          }};
}

inline Route stream_route(const std::string& path, std::shared_ptr<Script> script) {
  return {"POST", path, Access::kUser, [script](const ApiRequest&) -> Outcome {
            return std::make_unique<ScriptedStream>(script);
          }};
}

/// Answers a POST with its own body.
inline Route echo_route(const std::string& path) {
  return {"POST", path, Access::kUser, [](const ApiRequest& request) -> Outcome {
            Reply reply;
            reply.content_type = "text/plain";
            reply.body = request.body;
            return reply;
          }};
}

/// Answers a GET with a text.
inline Route text_route(
    const std::string& path, const std::string& text, Access access = Access::kUser
) {
  return {"GET", path, access, [text](const ApiRequest&) -> Outcome {
            Reply reply;
            reply.content_type = "text/plain";
            reply.body = text;
            return reply;
          }};
}

}  // namespace trellis::server
