// A client that says exactly the bytes it is told to, and the server it says them to.
#pragma once

#include "server/http_server.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace trellis::server {

/// A response as it came. status 0: none did.
struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks put together
};

/// Every wait ends after ten seconds, with what has come by then.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  explicit RawClient(const std::string& unix_path);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  /// Tells the server that nothing more comes, and goes on listening.
  void finish();
  void close();
  /// One response, whole; of HEAD the head alone.
  RawResponse read_response(bool has_body = true);
  /// All up to the end of `text`, or of the connection.
  std::string read_through(std::string_view text);
  /// All up to the end of the connection.
  std::string read_all();
  /// What the kernel keeps of unread bytes, so that a slow reader is soon noticed.
  void keep_little();
  int descriptor() const { return descriptor_; }

 private:
  bool read_more();

  int descriptor_ = -1;
  std::string input_;
};

/// One request, one response, on a connection of its own.
RawResponse exchange(uint16_t port, std::string_view request);

/// "GET path" with a Host and these further header lines ("a: b\r\n").
std::string get(const std::string& path, const std::string& headers = "");
std::string post(const std::string& path, const std::string& body, const std::string& headers = "");

/// Runs at a free port of 127.0.0.1, unless the options name a unix socket, until destroyed.
class RunningServer {
 public:
  RunningServer(ServerOptions options, std::vector<Route> routes);
  ~RunningServer();

  uint16_t port() const { return server_.port(); }
  Server& server() { return server_; }
  /// Waits until run() has returned.
  void join();

 private:
  Server server_;
  std::thread thread_;
};

}  // namespace trellis::server
