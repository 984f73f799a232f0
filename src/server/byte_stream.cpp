#include "server/byte_stream.h"

#include "base/error.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <utility>

namespace trellis::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

template <typename Stream>
asio::awaitable<size_t> read_from(Stream& stream, std::span<char> room) {
  error_code error;
  const size_t num_bytes = co_await stream.async_read_some(
      asio::buffer(room.data(), room.size()), asio::redirect_error(asio::use_awaitable, error)
  );
  co_return error ? 0 : num_bytes;
}

template <typename Stream>
asio::awaitable<bool> write_to(Stream& stream, std::string_view bytes) {
  error_code error;
  co_await asio::async_write(
      stream, asio::buffer(bytes.data(), bytes.size()),
      asio::redirect_error(asio::use_awaitable, error)
  );
  co_return !error;
}

class PlainStream final : public ByteStream {
 public:
  explicit PlainStream(StreamSocket socket) : socket_(std::move(socket)) {}

  asio::awaitable<bool> start() override { co_return true; }
  asio::awaitable<size_t> read_some(std::span<char> room) override {
    return read_from(socket_, room);
  }
  asio::awaitable<bool> write(std::string_view bytes) override { return write_to(socket_, bytes); }
  asio::awaitable<void> finish() override {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    co_return;
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  StreamSocket socket_;
};

class TlsStream final : public ByteStream {
 public:
  TlsStream(StreamSocket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context) {}

  asio::awaitable<bool> start() override {
    error_code error;
    co_await stream_.async_handshake(
        asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error)
    );
    co_return !error;
  }
  asio::awaitable<size_t> read_some(std::span<char> room) override {
    return read_from(stream_, room);
  }
  asio::awaitable<bool> write(std::string_view bytes) override { return write_to(stream_, bytes); }
  asio::awaitable<void> finish() override {
    error_code error;
    co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    if (!error) stream_.lowest_layer().shutdown(asio::socket_base::shutdown_send, error);
  }
  void close() override {
    error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  asio::ssl::stream<StreamSocket> stream_;
};

}  // namespace

std::unique_ptr<ByteStream> make_plain_stream(StreamSocket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

struct TlsContext::Context {
  asio::ssl::context ssl{asio::ssl::context::tls_server};
};

TlsContext::TlsContext(const std::string& certificate_file, const std::string& key_file)
    : context_(std::make_shared<Context>()) {
  asio::ssl::context& ssl = context_->ssl;
  ssl.set_options(
      asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
      asio::ssl::context::no_tlsv1_1 | asio::ssl::context::single_dh_use
  );
  error_code error;
  ssl.use_certificate_chain_file(certificate_file, error);
  if (error) {
    throw UserError(
        "{}: is not a certificate chain in PEM format that can be read ({})", certificate_file,
        error.message()
    );
  }
  ssl.use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error) {
    throw UserError(
        "{}: is not a private key in PEM format that can be read and belongs to {} ({})", key_file,
        certificate_file, error.message()
    );
  }
}

std::unique_ptr<ByteStream> TlsContext::make_stream(StreamSocket socket) const {
  return std::make_unique<TlsStream>(std::move(socket), context_->ssl);
}

}  // namespace trellis::server
