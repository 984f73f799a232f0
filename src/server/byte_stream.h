// A connection as bytes, whatever carries them: TCP or a unix socket, in clear or through TLS.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace trellis::server {

/// For one thread. At most one read and one write are under way at a time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Greets the client where the protocol wants that. False: it failed.
  virtual boost::asio::awaitable<bool> start() = 0;
  /// Waits for bytes; 0: there will be no more.
  virtual boost::asio::awaitable<size_t> read_some(std::span<char> room) = 0;
  /// Waits until all is handed over. False: the connection is gone.
  virtual boost::asio::awaitable<bool> write(std::string_view bytes) = 0;
  /// Tells the client that nothing more comes.
  virtual boost::asio::awaitable<void> finish() = 0;
  /// Ends the connection, and with it what waits in the methods above.
  virtual void close() = 0;
};

using StreamSocket = boost::asio::generic::stream_protocol::socket;

std::unique_ptr<ByteStream> make_plain_stream(StreamSocket socket);

/// Certificate and key of a server. Copies share them.
class TlsContext {
 public:
  /// Throws UserError that names the file at fault.
  TlsContext(const std::string& certificate_file, const std::string& key_file);

  std::unique_ptr<ByteStream> make_stream(StreamSocket socket) const;

 private:
  struct Context;
  std::shared_ptr<Context> context_;
};

}  // namespace trellis::server
