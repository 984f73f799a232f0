// What the connections of a server share. Inside src/server only.
#pragma once

#include "server/admission.h"
#include "server/server_options.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_set>

namespace trellis::server {

class Connection;

/// Used by the server's I/O thread alone, but for `io` and `handlers`, which take work from any.
struct ServerState {
  ServerState(const ServerOptions& server_options, Admission admission_rules)
      : options(server_options),
        admission(std::move(admission_rules)),
        handlers(static_cast<size_t>(server_options.handler_threads)) {}

  std::string new_request_id() { return fmt::format("req-{:016x}{:016x}", random(), random()); }

  const ServerOptions options;
  Admission admission;
  std::unordered_set<Connection*> connections;
  std::function<void()> on_last_connection;  // called when `connections` becomes empty
  int num_requests = 0;                      // being answered, of those that limits.requests counts
  bool draining = false;                     // nothing new is begun
  std::mt19937_64 random{std::random_device{}()};
  // Shared with whoever may still wake a connection when the server is gone. Destroyed before what
  // connections use, for it owns them.
  std::shared_ptr<boost::asio::io_context> io = std::make_shared<boost::asio::io_context>();
  boost::asio::thread_pool handlers;
};

}  // namespace trellis::server
