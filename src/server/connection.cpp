#include "server/connection.h"

#include "base/log.h"
#include "server/error_reply.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <utility>

namespace trellis::server {
namespace {

namespace asio = boost::asio;

constexpr size_t kPieceBytes = 64u << 10;          // what limits.write is the time for
constexpr size_t kMostPipelinedBytes = 64u << 10;  // read ahead of the answer, beside a head
constexpr size_t kReadBytes = 16u << 10;
constexpr size_t kMostOpenBodyBytes = 64u << 10;  // to routes that need no key
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr auto kForever = std::chrono::hours(24 * 365);
constexpr size_t kMostRequestIdBytes = 128;
constexpr std::string_view kPing = ": ping\n\n";

bool is_sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kMostRequestIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_' || c == '.' || c == ':';
         });
}

ApiError shutting_down() {
  return {503, "shutting_down", "the server is shutting down; ask another one", ""};
}

ApiError timed_out(const char* message) {
  return {408, "request_timeout", message, ""};
}

/// Counts a request as being answered for as long as it lives.
class RequestCount {
 public:
  explicit RequestCount(int& count) : count_(count) { ++count_; }
  ~RequestCount() { --count_; }
  RequestCount(const RequestCount&) = delete;
  RequestCount& operator=(const RequestCount&) = delete;

 private:
  int& count_;
};

}  // namespace

// Arguments of calls behind co_await have names here: GCC 12 destroys braced ones twice.

/// Shared between the connection, which may go first, and the thread that runs the handler.
struct Connection::HandlerRun {
  std::atomic<bool> unwanted{false};
  std::optional<Outcome> outcome;
  std::exception_ptr thrown;
  bool done = false;  // of the I/O thread
};

Connection::Connection(ServerState& state, std::unique_ptr<ByteStream> stream)
    : state_(state),
      stream_(std::move(stream)),
      signal_(*state.io),
      room_(*state.io),
      write_timer_(*state.io) {
  state_.connections.insert(this);
}

Connection::~Connection() {
  state_.connections.erase(this);
  if (state_.connections.empty() && state_.on_last_connection) state_.on_last_connection();
}

void Connection::start() {
  const auto run = [self = shared_from_this()]() -> Awaitable<void> {
    try {
      co_await self->serve();
    } catch (const std::exception& error) {  // out of memory, most likely: this client's alone
      log_warn("id={} the connection failed: {}", self->record_.request_id, error.what());
    }
    self->close();
  };
  asio::co_spawn(*state_.io, run, asio::detached);
}

void Connection::close() {
  closed_ = true;
  ended_ = true;
  stream_->close();
  signal_.raise();
  room_.raise();
}

Connection::Awaitable<void> Connection::serve() {
  // The handshake has the time of a head, and is ended by closing, like a write that hangs.
  const uint64_t handshake = ++num_writes_;
  write_timer_.expires_after(state_.options.limits.header);
  write_timer_.async_wait([self = shared_from_this(), handshake](boost::system::error_code error) {
    if (!error && self->num_writes_ == handshake) self->close();
  });
  const bool greeted = co_await stream_->start();
  ++num_writes_;
  write_timer_.cancel();
  if (greeted) {
    const auto run = [self = shared_from_this()]() -> Awaitable<void> {
      try {
        co_await self->read();
      } catch (const std::exception&) {  // serve() says what follows from it
        self->close();
      }
    };
    asio::co_spawn(*state_.io, run, asio::detached);
    bool goes_on = true;
    while (goes_on && !closed_) goes_on = co_await serve_request();
    co_await linger();
  }
}

Connection::Awaitable<void> Connection::read() {
  std::array<char, kReadBytes> room;
  const size_t most = state_.options.limits.header_bytes + kMostPipelinedBytes;
  while (!ended_) {
    if (input_.size() >= most && !discards_) {
      co_await room_.wait_until(Clock::now() + kForever);
      continue;
    }
    const size_t num_bytes = co_await stream_->read_some(room);
    if (num_bytes == 0) break;
    if (discards_) continue;
    input_.append(room.data(), num_bytes);
    signal_.raise();
  }
  ended_ = true;
  if (computing_) close();
  signal_.raise();
}

Connection::Awaitable<bool> Connection::serve_request() {
  record_ = RequestRecord();
  frame_ = ResponseFrame();
  RequestReader reader(state_.options.limits.header_bytes, state_.options.limits.body_bytes);
  if (!co_await read_head(reader)) co_return false;

  const RequestHead& head = reader.head();
  begin_record(head);
  const Verdict verdict = state_.admission.judge(head);
  record_.caller = verdict.caller.name;
  std::optional<Reply> reply = verdict.reply;
  const bool is_counted = !reply && verdict.route->method != "GET";
  if (!reply && state_.draining) {
    reply = error_reply(shutting_down());
  } else if (is_counted && state_.num_requests >= state_.options.limits.requests) {
    reply = error_reply(
        {429, "too_many_requests",
         fmt::format("{} requests are being answered, which is the most", state_.num_requests), ""}
    );
    reply->headers.emplace_back("Retry-After", "1");
  }
  if (reply) {
    if (head.has_body) frame_.keep_alive = false;  // it is not read
    co_await send(std::move(*reply));
    co_return frame_.keep_alive;
  }

  if (verdict.route->access == Access::kOpen) reader.limit_body(kMostOpenBodyBytes);
  int uncounted = 0;
  const RequestCount count(is_counted ? state_.num_requests : uncounted);
  if (!co_await read_body(reader)) co_return false;
  ApiRequest request;
  request.method = head.method;
  request.path = head.path;
  request.query = head.query;
  request.headers = head.headers;
  request.body = reader.take_body();
  request.request_id = record_.request_id;
  request.is_admin = verdict.caller.access == Access::kAdmin;
  co_await answer(*verdict.route, std::move(request));
  co_return frame_.keep_alive && !state_.draining;
}

Connection::Awaitable<bool> Connection::read_head(RequestReader& reader) {
  // Waiting for a request is not reading it: who has sent nothing is told nothing.
  const auto idle_deadline = Clock::now() + state_.options.limits.idle;
  while (input_.empty()) {
    if (ended_ || state_.draining || Clock::now() >= idle_deadline) co_return false;
    co_await signal_.wait_until(idle_deadline);
  }
  began_ = Clock::now();
  const auto deadline = began_ + state_.options.limits.header;
  while (true) {
    input_.erase(0, reader.feed(input_));
    room_.raise();
    if (reader.state() == RequestReader::State::kFailed) {
      co_await send_last_error(reader.error());
      co_return false;
    }
    if (reader.state() != RequestReader::State::kHead) co_return true;
    if (ended_) co_return false;
    co_await signal_.wait_until(deadline);
    if (Clock::now() >= deadline) {
      const ApiError error = timed_out("the headers took too long to come");
      co_await send_last_error(error);
      co_return false;
    }
  }
}

Connection::Awaitable<bool> Connection::read_body(RequestReader& reader) {
  if (reader.state() != RequestReader::State::kComplete && reader.head().expects_continue &&
      input_.empty()) {
    if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  const auto deadline = Clock::now() + state_.options.limits.body;
  while (reader.state() != RequestReader::State::kComplete) {
    input_.erase(0, reader.feed(input_));
    room_.raise();
    if (reader.state() == RequestReader::State::kFailed) {
      co_await send_last_error(reader.error());
      co_return false;
    }
    if (reader.state() == RequestReader::State::kComplete) break;
    if (ended_) co_return false;
    co_await signal_.wait_until(deadline);
    if (Clock::now() >= deadline) {
      const ApiError error = timed_out("the body took too long to come");
      co_await send_last_error(error);
      co_return false;
    }
  }
  co_return true;
}

void Connection::begin_record(const RequestHead& head) {
  record_.method = head.method;
  record_.target = head.target;
  const std::string_view id = head.header("x-request-id");
  record_.request_id = is_sane_request_id(id) ? std::string(id) : state_.new_request_id();
  frame_.is_http_1_0 = head.is_http_1_0;
  frame_.keep_alive = head.keep_alive && !state_.draining;
  frame_.omit_body = head.method == "HEAD";
  frame_.headers = state_.admission.cors().headers(head);
  frame_.headers.emplace_back("X-Request-Id", record_.request_id);
}

Connection::Awaitable<void> Connection::answer(const Route& route, ApiRequest request) {
  std::function<Outcome()> handle = [&route, request = std::move(request)] {
    return route.handler(request);
  };
  Outcome outcome = co_await run_handler(std::move(handle));
  if (auto* pending = std::get_if<std::unique_ptr<PendingOutcome>>(&outcome)) {
    outcome = co_await run_pending(std::move(*pending));
  }
  if (auto* reply = std::get_if<Reply>(&outcome)) {
    co_await send(std::move(*reply));
    co_return;
  }
  // From here on a client that ends its side has left. One that gets a finished reply may have.
  computing_ = true;
  if (ended_) close();
  if (auto* pending = std::get_if<std::unique_ptr<PendingReply>>(&outcome)) {
    co_await send_pending(std::move(*pending));
  } else {
    co_await send_stream(std::move(std::get<std::unique_ptr<ReplyStream>>(outcome)));
  }
  computing_ = false;
}

Connection::Awaitable<Outcome> Connection::run_pending(std::unique_ptr<PendingOutcome> pending) {
  computing_ = true;
  if (ended_) close();
  std::function<Outcome()> begin;
  try {
    pending->on_ready(make_wake());
    const auto deadline = pending->deadline();
    while (!closed_ && !pending->is_ready() && Clock::now() < deadline) {
      co_await signal_.wait_until(deadline);
    }
    begin = [shared = std::shared_ptr<PendingOutcome>(std::move(pending))] {
      return shared->begin();
    };
  } catch (...) {
    begin = [thrown = std::current_exception()]() -> Outcome { std::rethrow_exception(thrown); };
  }
  Outcome outcome = Reply();  // closed_: nobody gets it
  if (!closed_) outcome = co_await run_handler(std::move(begin));
  computing_ = false;
  co_return outcome;
}

Connection::Awaitable<Outcome> Connection::run_handler(std::function<Outcome()> handle) {
  auto run = std::make_shared<HandlerRun>();
  // The connection may be gone when the handler returns; then what it made is destroyed there.
  asio::post(
      state_.handlers,
      [run, handle = std::move(handle), io = state_.io, connection = weak_from_this()] {
        if (run->unwanted.load()) return;
        try {
          run->outcome = handle();
        } catch (...) {
          run->thrown = std::current_exception();
        }
        asio::post(*io, [run, connection] {
          run->done = true;
          if (const auto self = connection.lock()) self->signal_.raise();
        });
      }
  );
  while (!run->done && !closed_) co_await signal_.wait_until(Clock::now() + kForever);
  if (!run->done) {
    run->unwanted.store(true);
    co_return Reply();
  }
  if (run->thrown) co_return failed(run->thrown);
  co_return std::move(*run->outcome);
}

Connection::Awaitable<void> Connection::send_pending(std::unique_ptr<PendingReply> pending) {
  std::optional<Reply> reply;
  try {
    pending->on_ready(make_wake());
    while (!closed_) {
      reply = pending->poll();
      if (reply) break;
      co_await signal_.wait_until(Clock::now() + kForever);
    }
  } catch (...) {
    reply = failed(std::current_exception());
  }
  pending.reset();
  computing_ = false;
  if (!reply) reply.emplace();  // closed_: nobody gets it
  co_await send(std::move(*reply));
}

Connection::Awaitable<void> Connection::send_stream(std::unique_ptr<ReplyStream> stream) {
  if (frame_.is_http_1_0) frame_.keep_alive = false;  // the end of the connection ends the stream
  const std::string head = stream_head(frame_);
  co_await write(head);
  std::string last_words;
  record_.status = 200;
  if (!frame_.omit_body) {
    try {
      stream->on_ready(make_wake());
      co_await send_parts(*stream);
      record_.figures = stream->figures();
    } catch (...) {
      record_.status = 500;
      const Reply reply = failed(std::current_exception());
      last_words = stream_part("event: error\ndata: " + reply.body + "\n\n", frame_);
    }
    last_words += stream_end(frame_);
  }
  stream.reset();
  co_await write(last_words);
  if (closed_) record_.status = kClientLeft;
  log_request();
}

Connection::Awaitable<void> Connection::send_parts(ReplyStream& stream) {
  while (!closed_) {
    const std::string bytes = stream.poll();
    const bool finished = stream.finished();
    if (!bytes.empty()) {
      const std::string part = stream_part(bytes, frame_);
      co_await write(part);
    }
    if (finished) break;
    if (!bytes.empty()) continue;
    const bool raised = co_await signal_.wait_until(Clock::now() + state_.options.ping);
    if (!raised) {
      const std::string ping = stream_part(kPing, frame_);
      co_await write(ping);
    }
  }
}

Connection::Awaitable<void> Connection::send(Reply reply) {
  const std::string text = response_text(reply, frame_);
  co_await write(text);
  record_.status = closed_ ? kClientLeft : reply.status;
  record_.figures = reply.figures;
  log_request();
}

void Connection::log_request() {
  record_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  log_info("{}", request_line(record_));
}

Connection::Awaitable<void> Connection::send_last_error(const ApiError& error) {
  if (record_.request_id.empty()) {  // it failed before it had one
    record_.request_id = state_.new_request_id();
    frame_.headers.emplace_back("X-Request-Id", record_.request_id);
  }
  frame_.keep_alive = false;
  co_await send(error_reply(error));
}

Connection::Awaitable<bool> Connection::write(std::string_view bytes) {
  while (!bytes.empty() && !closed_) {
    const std::string_view piece = bytes.substr(0, kPieceBytes);
    bytes.remove_prefix(piece.size());
    const uint64_t number = ++num_writes_;
    write_timer_.expires_after(state_.options.limits.write);
    write_timer_.async_wait([self = shared_from_this(), number](boost::system::error_code error) {
      if (error || self->num_writes_ != number) return;
      log_warn("id={} cut off: the client did not read", self->record_.request_id);
      self->close();
    });
    const bool written = co_await stream_->write(piece);
    ++num_writes_;
    write_timer_.cancel();
    if (!written) close();
  }
  co_return !closed_;
}

// A connection that is closed with unread bytes in it is reset, and the client may lose what it was
// told. So it is given time to read it, and what it still sends is dropped.
Connection::Awaitable<void> Connection::linger() {
  if (closed_) co_return;
  discards_ = true;
  input_.clear();
  room_.raise();
  const auto deadline = Clock::now() + kLingerTime;
  const uint64_t number = ++num_writes_;
  write_timer_.expires_at(deadline);
  write_timer_.async_wait([self = shared_from_this(), number](boost::system::error_code error) {
    if (!error && self->num_writes_ == number) self->close();
  });
  co_await stream_->finish();
  while (!ended_) co_await signal_.wait_until(deadline);
  ++num_writes_;
  write_timer_.cancel();
}

std::function<void()> Connection::make_wake() {
  // io outlives the server where somebody still wants to wake us; the connection does not.
  return [io = std::weak_ptr<asio::io_context>(state_.io), connection = weak_from_this(),
          is_posted = std::make_shared<std::atomic<bool>>(false)] {
    if (is_posted->exchange(true)) return;
    if (const auto alive = io.lock()) {
      asio::post(*alive, [connection, is_posted] {
        is_posted->store(false);
        if (const auto self = connection.lock()) self->signal_.raise();
      });
    }
  };
}

Reply Connection::failed(std::exception_ptr thrown) const {
  std::string what = "something that is no exception was thrown";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  log_warn("id={} {} failed: {}", record_.request_id, record_.method, what);
  return error_reply(
      {500, "internal_error",
       fmt::format("the server failed; its log tells why, under {}", record_.request_id), ""}
  );
}

}  // namespace trellis::server
