#include "server/raw_client.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace trellis::server {
namespace {

constexpr int kMostWaitSeconds = 10;

/// A line for each request would hide what fails.
class Silence : public testing::Environment {
 public:
  void SetUp() override { configure_log("off"); }
};
[[maybe_unused]] testing::Environment* const silence =
    testing::AddGlobalTestEnvironment(new Silence);

void limit_waits(int descriptor) {
  const timeval time{.tv_sec = kMostWaitSeconds, .tv_usec = 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

}  // namespace

RawClient::RawClient(uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
  limit_waits(descriptor_);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int failed = connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  EXPECT_EQ(failed, 0) << "nobody listens at port " << port;
}

RawClient::RawClient(const std::string& unix_path) : descriptor_(socket(AF_UNIX, SOCK_STREAM, 0)) {
  limit_waits(descriptor_);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(unix_path.begin(), unix_path.end(), address.sun_path);
  const int failed = connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  EXPECT_EQ(failed, 0) << "nobody listens at " << unix_path;
}

RawClient::~RawClient() {
  close();
}

void RawClient::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void RawClient::finish() {
  shutdown(descriptor_, SHUT_WR);
}

void RawClient::keep_little() {
  const int bytes = 4096;
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server has closed; what it said can still be read
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool RawClient::read_more() {
  char room[16384];
  const ssize_t num_bytes = recv(descriptor_, room, sizeof room, 0);
  if (num_bytes <= 0) return false;
  input_.append(room, static_cast<size_t>(num_bytes));
  return true;
}

std::string RawClient::read_through(std::string_view text) {
  size_t found = input_.find(text);
  while (found == std::string::npos && read_more()) found = input_.find(text);
  const size_t end = found == std::string::npos ? input_.size() : found + text.size();
  std::string result = input_.substr(0, end);
  input_.erase(0, end);
  return result;
}

std::string RawClient::read_all() {
  while (read_more()) {
  }
  return std::exchange(input_, "");
}

RawResponse RawClient::read_response(bool has_body) {
  RawResponse response;
  const std::string head = read_through("\r\n\r\n");
  if (!head.starts_with("HTTP/1.1 ")) return response;
  response.status = std::stoi(head.substr(9));
  size_t line = head.find("\r\n") + 2;
  while (line < head.size() - 2) {
    const size_t end = head.find("\r\n", line);
    const size_t colon = head.find(": ", line);
    std::string name = head.substr(line, colon - line);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
      return static_cast<char>(std::tolower(c));
    });
    response.headers[name] = head.substr(colon + 2, end - colon - 2);
    line = end + 2;
  }
  if (!has_body || response.status == 100 || response.status == 204) return response;
  if (response.headers.contains("transfer-encoding")) {
    while (true) {
      const size_t bytes = std::stoul("0" + read_through("\r\n"), nullptr, 16);
      while (input_.size() < bytes + 2 && read_more()) {
      }
      response.body += input_.substr(0, bytes);
      input_.erase(0, bytes + 2);
      if (bytes == 0) return response;
    }
  }
  if (!response.headers.contains("content-length")) {
    response.body = read_all();
    return response;
  }
  const size_t bytes = std::stoul(response.headers["content-length"]);
  while (input_.size() < bytes && read_more()) {
  }
  response.body = input_.substr(0, bytes);
  input_.erase(0, bytes);
  return response;
}

RawResponse exchange(uint16_t port, std::string_view request) {
  RawClient client(port);
  client.send(request);
  return client.read_response();
}

std::string get(const std::string& path, const std::string& headers) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

std::string post(const std::string& path, const std::string& body, const std::string& headers) {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

RunningServer::RunningServer(ServerOptions options, std::vector<Route> routes)
    : server_(
          [&options] {
            options.port = 0;
            return options;
          }(),
          std::move(routes)
      ),
      thread_([this] { server_.run(); }) {}

RunningServer::~RunningServer() {
  server_.stop();
  join();
}

void RunningServer::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace trellis::server
