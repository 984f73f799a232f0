// The server: listens, and has every request answered by the route it names. Transport only: what
// the routes do is not known here. Boost stays behind this header.
#pragma once

#include "server/reply.h"
#include "server/server_options.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trellis::server {

class Server {
 public:
  /// Binds the address; requests wait until run(). Throws UserError where it cannot be had, where a
  /// file of the options is wrong, and where strangers could call without a key.
  Server(const ServerOptions& options, std::vector<Route> routes);
  ~Server();

  /// Answers requests until stop() and what follows it. Once.
  void run();

  /// Any thread. Nothing new is begun (503), running answers may finish for as long as
  /// limits.drain says, then run() returns.
  void stop();

  /// The port it listens at; 0 for a unix socket.
  uint16_t port() const;
  /// What to tell people: "http://127.0.0.1:8080", "unix:/run/trellis.sock".
  std::string address() const;

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace trellis::server
