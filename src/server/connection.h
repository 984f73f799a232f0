// One connection: reads its requests one after another, has each answered, and watches meanwhile
// whether the client is still there.
#pragma once

#include "server/byte_stream.h"
#include "server/request_log.h"
#include "server/request_reader.h"
#include "server/response_text.h"
#include "server/server_state.h"
#include "server/signal.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace trellis::server {

/// Lives on the I/O thread. Two coroutines share it: one reads bytes, so that the end of the
/// connection is seen at once, the other answers. It ends itself; close() ends it sooner.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerState& state, std::unique_ptr<ByteStream> stream);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  /// Answers what was begun, then ends.
  void drain() { signal_.raise(); }
  /// Ends now; what is being answered is dropped.
  void close();

 private:
  struct HandlerRun;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<void> serve();
  Awaitable<void> read();
  /// One request and its answer. False: the connection is to end.
  Awaitable<bool> serve_request();
  /// False: there was none that can be answered; what has to be said about that is said.
  Awaitable<bool> read_head(RequestReader& reader);
  Awaitable<bool> read_body(RequestReader& reader);
  Awaitable<void> answer(const Route& route, ApiRequest request);
  /// Runs it on a thread for handlers.
  Awaitable<Outcome> run_handler(std::function<Outcome()> handle);
  Awaitable<Outcome> run_pending(std::unique_ptr<PendingOutcome> pending);
  Awaitable<void> send_pending(std::unique_ptr<PendingReply> pending);
  Awaitable<void> send_stream(std::unique_ptr<ReplyStream> stream);
  Awaitable<void> send_parts(ReplyStream& stream);
  Awaitable<void> send(Reply reply);
  Awaitable<void> send_last_error(const ApiError& error);
  Awaitable<bool> write(std::string_view bytes);
  Awaitable<void> linger();

  std::function<void()> make_wake();
  /// A 500 that says nothing about what was thrown; the log does.
  Reply failed(std::exception_ptr thrown) const;
  void log_request();
  void begin_record(const RequestHead& head);

  ServerState& state_;
  std::unique_ptr<ByteStream> stream_;
  std::string input_;       // read, not yet used
  Signal signal_;           // input, the client's end, or progress of the answer
  Signal room_;             // input_ has become shorter
  bool ended_ = false;      // nothing more comes from the client
  bool closed_ = false;     // the stream is closed
  bool computing_ = false;  // the answer is still being computed: nobody wants it once ended_
  bool discards_ = false;   // input is dropped
  boost::asio::steady_timer write_timer_;
  uint64_t num_writes_ = 0;

  // Of the request that is being answered.
  ResponseFrame frame_;
  RequestRecord record_;
  Clock::time_point began_;
};

}  // namespace trellis::server
