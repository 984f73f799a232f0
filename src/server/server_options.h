// What a server is asked to be: where it listens, who may call it, and how much of everything it
// takes. The defaults suit one machine behind no proxy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace trellis::server {

/// Who may call. Keys are given in clear here and kept as hashes only.
struct AuthOptions {
  std::vector<std::string> api_keys;
  std::vector<std::string> admin_keys;
  std::string key_file;  // lines of "user|admin sha256:HEX [name]"; empty: none
  bool no_auth = false;  // everyone who reaches the server may call it
  std::chrono::milliseconds key_file_check{1000};  // how often the file is looked at, at most
};

/// What one client, and all together, may take. Whoever goes beyond gets an error, never the
/// server's memory.
struct ServerLimits {
  size_t header_bytes = 32u << 10;          // request line and headers; else 431
  size_t body_bytes = 32u << 20;            // else 413
  int connections = 1024;                   // else 503, and the connection is closed
  int requests = 512;                       // being answered at once, but for GET; else 429
  std::chrono::milliseconds header{10000};  // from a request's first byte to its last header; 408
  std::chrono::milliseconds body{60000};    // from there to its end; else 408
  std::chrono::milliseconds idle{75000};    // between requests; then the connection is closed
  std::chrono::milliseconds write{30000};   // for the client to take 64 KiB; else it is cut off
  std::chrono::milliseconds drain{30000};   // for running answers to finish after stop()
};

struct ServerOptions {
  std::string host = "127.0.0.1";  // a name or an address of this machine
  uint16_t port = 8080;            // 0: any free one
  std::string unix_socket;         // path; if set, host and port are unused
  std::string tls_certificate;     // PEM file with the chain, the server's own first; empty: no TLS
  std::string tls_key;             // PEM file
  std::vector<std::string> cors_origins;  // e.g. "https://chat.example.org"; "*": every page
  AuthOptions auth;
  ServerLimits limits;
  std::chrono::milliseconds ping{15000};  // silence in a stream after which a comment is sent
  int handler_threads = 4;
};

}  // namespace trellis::server
