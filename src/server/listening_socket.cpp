#include "server/listening_socket.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace trellis::server {
namespace {

constexpr int kSocketKind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
constexpr mode_t kUnixSocketMode = 0660;

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(ipv4->sin_addr.s_addr) >> 24) == 127;
  }
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

/// The numbers of an address, as a URL has them.
std::string numeric_name(const sockaddr* address, socklen_t bytes) {
  char text[NI_MAXHOST] = "";
  getnameinfo(address, bytes, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return address->sa_family == AF_INET6 ? fmt::format("[{}]", text) : text;
}

/// Whether somebody listens at the path.
bool is_served(const sockaddr_un& address) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return true;
  const bool connected =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const bool refused = !connected && errno == ECONNREFUSED;
  close(probe);
  return !refused;
}

}  // namespace

ListeningSocket::ListeningSocket(const ServerOptions& options) {
  if (options.unix_socket.empty()) {
    bind_tcp(options.host, options.port);
  } else {
    bind_unix(options.unix_socket);
  }
}

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) close(descriptor_);
  if (family_ == AF_UNIX) unlink(name_.c_str());
}

void ListeningSocket::bind_tcp(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* raw = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &raw);
  if (failure != 0) {
    throw UserError(
        "--host {}: is neither an address nor a name of one ({})", host, gai_strerror(failure)
    );
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(raw, freeaddrinfo);
  // localhost is both, and most programs try 127.0.0.1 only.
  const addrinfo* chosen = raw;
  for (const addrinfo* entry = raw; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET) {
      chosen = entry;
      break;
    }
  }
  family_ = chosen->ai_family;
  name_ = numeric_name(chosen->ai_addr, chosen->ai_addrlen);
  is_local_ = is_loopback(chosen->ai_addr);
  descriptor_ = socket(family_, kSocketKind, 0);
  const int on = 1;
  if (descriptor_ < 0 || setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(descriptor_, chosen->ai_addr, chosen->ai_addrlen) != 0) {
    const int error = errno;
    const char* remedy = error == EADDRINUSE      ? "; take another --port, or 0 for any free one"
                         : error == EADDRNOTAVAIL ? "; --host has to be an address of this machine"
                         : error == EACCES        ? "; take a --port of 1024 or more"
                                                  : "";
    throw UserError("{}:{}: cannot listen there: {}{}", name_, port, std::strerror(error), remedy);
  }
  sockaddr_storage bound{};
  socklen_t bytes = sizeof bound;
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&bound), &bytes);
  port_ = ntohs(
      family_ == AF_INET ? reinterpret_cast<const sockaddr_in&>(bound).sin_port
                         : reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
  );
}

void ListeningSocket::bind_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw UserError(
        "--unix-socket {}: the path has to be shorter than {} bytes", path, sizeof address.sun_path
    );
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  struct stat status{};
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      throw UserError("--unix-socket {}: is there already, and no socket", path);
    }
    if (is_served(address)) {
      throw UserError("--unix-socket {}: another program listens there", path);
    }
    unlink(path.c_str());  // left by a server that was killed
  }
  descriptor_ = socket(AF_UNIX, kSocketKind, 0);
  if (descriptor_ < 0 ||
      bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw UserError("--unix-socket {}: cannot listen there: {}", path, std::strerror(errno));
  }
  family_ = AF_UNIX;  // from here on the path is ours
  name_ = path;
  is_local_ = true;
  if (chmod(path.c_str(), kUnixSocketMode) != 0) {
    throw UserError("--unix-socket {}: its mode cannot be set: {}", path, std::strerror(errno));
  }
}

void ListeningSocket::listen() {
  if (::listen(descriptor_, SOMAXCONN) != 0) {
    throw UserError("{}: cannot listen there: {}", address(false), std::strerror(errno));
  }
}

int ListeningSocket::release() {
  return std::exchange(descriptor_, -1);
}

std::string ListeningSocket::address(bool with_tls) const {
  if (family_ == AF_UNIX) return "unix:" + name_;
  return fmt::format("{}://{}:{}", with_tls ? "https" : "http", name_, port_);
}

}  // namespace trellis::server
