// What the endpoints and the transport agree on: a request that was read whole, and the ways to
// answer it. The endpoints know nothing of sockets, the transport nothing of models.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace trellis::server {

/// One HTTP request, read whole and within the limits.
struct ApiRequest {
  std::string method;                          // "GET", "POST", ...
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded; of a repeated key the last value
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones joined by ", "
  std::string body;
  std::string request_id;  // the client's X-Request-Id where it is sane, else a new one
  bool is_admin = false;   // may call everything: came with an admin key, or no keys are in use
};

/// What the log line of a request tells about the answer. Times in seconds.
struct AnswerFigures {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt
  int64_t answer_tokens = 0;
  double first_token_s = 0.0;  // from the request to the first token
  double tokens_per_s = 0.0;   // of the answer after its first token; 0 where it has only one
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  // beside those of the transport
  std::string body;
  std::optional<AnswerFigures> figures;
};

/// An answer that is still being computed. Destroying it cancels the work behind it: its pages are
/// free within one step. One thread at a time uses it.
class PendingReply {
 public:
  virtual ~PendingReply() = default;
  /// Calls wake() whenever poll() may have more to give, at once if it already has. wake() may be
  /// called from any thread, and never waits; it may come once more after destruction. Set once.
  virtual void on_ready(std::function<void()> wake) = 0;
  /// The reply, once it is complete. Never waits.
  virtual std::optional<Reply> poll() = 0;
};

/// An answer that is sent as it comes, as server-sent events (status 200). Like PendingReply in all
/// else.
class ReplyStream {
 public:
  virtual ~ReplyStream() = default;
  virtual void on_ready(std::function<void()> wake) = 0;
  /// Bytes of the body that are ready, whole events; empty when there are none. Never waits.
  virtual std::string poll() = 0;
  /// Nothing follows what poll() gave.
  virtual bool finished() const = 0;
  /// Complete once it is finished.
  virtual std::optional<AnswerFigures> figures() const { return std::nullopt; }
};

class PendingOutcome;
using Outcome = std::variant<
    Reply, std::unique_ptr<PendingReply>, std::unique_ptr<ReplyStream>,
    std::unique_ptr<PendingOutcome>>;

/// An answer that cannot be begun yet, such as one whose model is still being loaded. Like
/// PendingReply in all else.
class PendingOutcome {
 public:
  virtual ~PendingOutcome() = default;
  virtual void on_ready(std::function<void()> wake) = 0;
  /// Whether there is no more to wait for. Never waits.
  virtual bool is_ready() = 0;
  /// When the answer is begun although it is not ready; it says so then.
  virtual std::chrono::steady_clock::time_point deadline() const = 0;
  /// Once, where a Handler would run. Gives no PendingOutcome.
  virtual Outcome begin() = 0;
};

/// Runs on a thread of the server, beside others, and may compute for a while, but must not wait
/// for the engine. What it throws becomes a 500 for this request, without its text.
using Handler = std::function<Outcome(const ApiRequest&)>;

/// Who may call a route: everyone, holders of any key, holders of an admin key.
enum class Access : uint8_t { kOpen, kUser, kAdmin };

struct Route {
  std::string method;
  std::string path;  // exact, or ending in "/*"
  Access access = Access::kUser;
  Handler handler;
};

}  // namespace trellis::server
