// The address a server listens at: a port of TCP, or a path of a unix socket.
#pragma once

#include "server/server_options.h"

#include <cstdint>
#include <string>

namespace trellis::server {

class ListeningSocket {
 public:
  /// Binds. Throws UserError that names the address and says what is wrong with it.
  explicit ListeningSocket(const ServerOptions& options);
  /// Removes the unix socket's path.
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  /// From here on clients can connect. Throws UserError.
  void listen();
  /// Hands the descriptor over; who gets it closes it.
  int release();

  int family() const { return family_; }  // AF_INET, AF_INET6 or AF_UNIX
  /// Only programs of this machine can reach it.
  bool is_local() const { return is_local_; }
  uint16_t port() const { return port_; }  // 0: a unix socket
  /// "http://127.0.0.1:8080", "unix:/run/trellis.sock"
  std::string address(bool with_tls) const;

 private:
  void bind_tcp(const std::string& host, uint16_t port);
  void bind_unix(const std::string& path);

  int descriptor_ = -1;
  int family_ = 0;
  bool is_local_ = false;
  uint16_t port_ = 0;
  std::string name_;  // of the host as a URL has it, or the path
};

}  // namespace trellis::server
