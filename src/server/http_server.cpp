#include "server/http_server.h"

#include "base/error.h"
#include "base/log.h"
#include "server/connection.h"
#include "server/error_reply.h"
#include "server/listening_socket.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace trellis::server {
namespace {

namespace asio = boost::asio;

constexpr size_t kMostHeaderBytes = 1u << 20;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

const ServerOptions& checked(const ServerOptions& options) {
  const ServerLimits& limits = options.limits;
  if (limits.header_bytes < 1024 || limits.header_bytes > kMostHeaderBytes) {
    throw UserError(
        "the limit of headers has to be from 1024 to {} bytes, not {}", kMostHeaderBytes,
        limits.header_bytes
    );
  }
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    throw UserError("TLS needs both, the certificate's file and the key's; one of them is missing");
  }
  return options;
}

}  // namespace

class Server::Listener {
 public:
  Listener(const ServerOptions& options, std::vector<Route> routes)
      : socket_(options),
        state_(
            checked(options),
            Admission(options, socket_.is_local(), socket_.port() != 0, std::move(routes))
        ),
        acceptor_(*state_.io),
        stopped_(*state_.io),
        drain_timer_(*state_.io) {
    if (!options.tls_certificate.empty()) tls_.emplace(options.tls_certificate, options.tls_key);
    socket_.listen();
    acceptor_.assign(asio::generic::stream_protocol(socket_.family(), 0), socket_.release());
  }

  // A connection that is left must not tell anybody.
  ~Listener() { state_.on_last_connection = nullptr; }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void run() {
    asio::co_spawn(
        *state_.io, [this]() -> asio::awaitable<void> { co_await accept(); }, asio::detached
    );
    state_.io->run();
    state_.handlers.join();
  }

  void stop() {
    asio::post(*state_.io, [this] { drain(); });
  }

  uint16_t port() const { return socket_.port(); }
  std::string address() const { return socket_.address(tls_.has_value()); }

 private:
  asio::awaitable<void> accept() {
    while (!state_.draining) {
      boost::system::error_code error;
      StreamSocket socket = co_await acceptor_.async_accept(
          *state_.io, asio::redirect_error(asio::use_awaitable, error)
      );
      if (state_.draining) break;
      if (error) {
        // Most likely no descriptor is left; those in use come back.
        log_warn("a connection could not be accepted: {}", error.message());
        co_await stopped_.wait_until(Clock::now() + kAcceptPause);
        continue;
      }
      if (static_cast<int>(state_.connections.size()) >= state_.options.limits.connections) {
        refuse(std::move(socket));
        continue;
      }
      if (socket_.port() != 0) set_tcp_options(socket);
      auto stream =
          tls_ ? tls_->make_stream(std::move(socket)) : make_plain_stream(std::move(socket));
      std::make_shared<Connection>(state_, std::move(stream))->start();
    }
  }

  // Nothing is read nor waited for: a stranger costs no more than this.
  void refuse(StreamSocket socket) {
    log_warn("a connection was refused: {} are open, which is the most", state_.connections.size());
    if (tls_) return;
    Reply reply = error_reply(
        {503, "too_many_connections", "the server has as many connections as it takes", ""}
    );
    reply.headers.emplace_back("Retry-After", "1");
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(response_text(reply, ResponseFrame())), 0, ignored);
    socket.shutdown(asio::socket_base::shutdown_send, ignored);
  }

  static void set_tcp_options(StreamSocket& socket) {
    boost::system::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
  }

  void drain() {
    if (state_.draining) return;
    state_.draining = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    stopped_.raise();
    log_info("stopping: {} connections are open", state_.connections.size());
    for (Connection* connection : state_.connections) connection->drain();
    drain_timer_.expires_after(state_.options.limits.drain);
    drain_timer_.async_wait([this](boost::system::error_code) {
      for (Connection* connection : state_.connections) connection->close();
    });
    // The timer alone would keep run() from returning before its time.
    state_.on_last_connection = [this] { drain_timer_.cancel(); };
    if (state_.connections.empty()) state_.on_last_connection();
  }

  ListeningSocket socket_;
  ServerState state_;
  std::optional<TlsContext> tls_;
  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor_;
  Signal stopped_;
  asio::steady_timer drain_timer_;
};

Server::Server(const ServerOptions& options, std::vector<Route> routes)
    : listener_(std::make_unique<Listener>(options, std::move(routes))) {}

Server::~Server() = default;

void Server::run() {
  listener_->run();
}

void Server::stop() {
  listener_->stop();
}

uint16_t Server::port() const {
  return listener_->port();
}

std::string Server::address() const {
  return listener_->address();
}

}  // namespace trellis::server
