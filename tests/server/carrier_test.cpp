// What else than TCP in clear a request may come by.
#include "base/error.h"
#include "base/temporary_directory.h"
#include "server/http_server.h"
#include "server/raw_client.h"
#include "server/scripted_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

namespace trellis::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class CarrierTest : public testing::Test {
 protected:
  std::string path(const char* name) const { return (folder_.path() / name).string(); }

  TemporaryDirectory folder_;
};

using UnixSocket = CarrierTest;

ServerOptions at_path(const std::string& path) {
  ServerOptions options;
  options.unix_socket = path;
  return options;
}

TEST_F(UnixSocket, IsServedAndRemoved) {
  {
    RunningServer server(at_path(path("s")), {echo_route("/echo")});
    RawClient client(path("s"));
    client.send(post("/echo", "hello"));

    EXPECT_EQ(client.read_response().body, "hello");
    EXPECT_EQ(server.server().address(), "unix:" + path("s"));
    EXPECT_EQ(server.port(), 0);
    struct stat status{};
    ASSERT_EQ(stat(path("s").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0660u);
  }

  EXPECT_FALSE(std::filesystem::exists(path("s")));
}

TEST_F(UnixSocket, TakesThePlaceOfOneThatNobodyServes) {
  const int left = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("s").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(left);

  RunningServer server(at_path(path("s")), {text_route("/t", "text")});
  RawClient client(path("s"));
  client.send(get("/t"));
  EXPECT_EQ(client.read_response().body, "text");
}

TEST_F(UnixSocket, TakesNobodysPlace) {
  std::ofstream(path("file")) << "mine";
  RunningServer server(at_path(path("s")), {});

  EXPECT_THROW(Server(at_path(path("s")), {}), UserError);
  EXPECT_THROW(Server(at_path(path("file")), {}), UserError);
  EXPECT_THROW(Server(at_path(path("no/folder")), {}), UserError);
  EXPECT_THROW(Server(at_path("/" + std::string(200, 'x')), {}), UserError);
  EXPECT_TRUE(std::filesystem::exists(path("file")));
  EXPECT_TRUE(std::filesystem::exists(path("s")));
}

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

/// Writes a certificate for localhost, signed by itself, and its key.
void write_certificate(const std::string& certificate_file, const std::string& key_file) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Owned<X509> certificate(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0
  );
  X509_set_issuer_name(certificate.get(), name);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  std::FILE* file = std::fopen(certificate_file.c_str(), "w");
  PEM_write_X509(file, certificate.get());
  std::fclose(file);
  file = std::fopen(key_file.c_str(), "w");
  PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

class Tls : public CarrierTest {
 protected:
  Tls() {
    write_certificate(path("cert.pem"), path("key.pem"));
    options_.tls_certificate = path("cert.pem");
    options_.tls_key = path("key.pem");
  }

  ServerOptions options_;
};

/// Speaks TLS over a RawClient's socket and trusts one certificate.
class TlsClient {
 public:
  TlsClient(uint16_t port, const std::string& certificate_file, int most_version = TLS1_3_VERSION)
      : client_(port),
        context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
        tls_(nullptr, SSL_free) {
    SSL_CTX_load_verify_file(context_.get(), certificate_file.c_str());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_max_proto_version(context_.get(), most_version);
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), client_.descriptor());
    is_connected_ = SSL_connect(tls_.get()) == 1;
  }

  bool is_connected() const { return is_connected_; }
  void send(const std::string& text) {
    SSL_write(tls_.get(), text.data(), static_cast<int>(text.size()));
  }
  std::string read_through(const std::string& text) {
    std::string input;
    while (input.find(text) == std::string::npos) {
      char room[4096];
      const int num_bytes = SSL_read(tls_.get(), room, sizeof room);
      if (num_bytes <= 0) break;
      input.append(room, static_cast<size_t>(num_bytes));
    }
    return input;
  }
  /// Whether the server said goodbye, rather than just being gone.
  bool was_closed_properly() {
    char room[1];
    return SSL_read(tls_.get(), room, 1) == 0 &&
           SSL_get_error(tls_.get(), 0) == SSL_ERROR_ZERO_RETURN;
  }

 private:
  RawClient client_;
  Owned<SSL_CTX> context_;
  Owned<SSL> tls_;
  bool is_connected_ = false;
};

TEST_F(Tls, CarriesRequestsAndStreams) {
  const auto script = std::make_shared<Script>();
  script->put("data: x\n\n");
  script->finish();
  RunningServer server(options_, {echo_route("/echo"), stream_route("/stream", script)});
  TlsClient client(server.port(), path("cert.pem"));
  ASSERT_TRUE(client.is_connected());
  EXPECT_THAT(server.server().address(), testing::StartsWith("https://127.0.0.1:"));

  const std::string body(200'000, 'x');
  client.send(post("/echo", body));
  EXPECT_THAT(client.read_through(body), HasSubstr("HTTP/1.1 200 OK"));
  client.send(post("/stream", "", "Connection: close\r\n"));
  EXPECT_THAT(client.read_through("0\r\n\r\n"), HasSubstr("data: x\n\n"));
  EXPECT_TRUE(client.was_closed_properly());
}

TEST_F(Tls, DropsTheReplyOfAClientThatLeaves) {
  const auto script = std::make_shared<Script>();
  RunningServer server(options_, {pending_route("/wait", script)});
  {
    TlsClient client(server.port(), path("cert.pem"));
    client.send(post("/wait", ""));
    ASSERT_TRUE(script->wait_begun());
  }

  EXPECT_TRUE(script->wait_destroyed());
}

TEST_F(Tls, RefusesOldVersionsAndPlainText) {
  RunningServer server(options_, {text_route("/t", "text")});

  EXPECT_FALSE(TlsClient(server.port(), path("cert.pem"), TLS1_1_VERSION).is_connected());
  EXPECT_TRUE(TlsClient(server.port(), path("cert.pem"), TLS1_2_VERSION).is_connected());
  RawClient plain(server.port());
  plain.send(get("/t"));
  EXPECT_THAT(plain.read_all(), testing::Not(HasSubstr("HTTP")));
}

TEST_F(Tls, EndsAHandshakeThatTakesTooLong) {
  options_.limits.header = 50ms;
  RunningServer server(options_, {});
  RawClient silent(server.port());

  EXPECT_EQ(silent.read_all(), "");
}

TEST_F(Tls, NamesTheFileAtFault) {
  const auto message_of = [](const ServerOptions& options) {
    try {
      const Server server(options, {});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  options_.port = 0;
  ServerOptions no_certificate = options_;
  no_certificate.tls_certificate = path("none.pem");
  ServerOptions no_key = options_;
  no_key.tls_key = path("cert.pem");
  ServerOptions half = options_;
  half.tls_key = "";
  write_certificate(path("other.pem"), path("other_key.pem"));
  ServerOptions other_key = options_;
  other_key.tls_key = path("other_key.pem");

  EXPECT_THAT(message_of(no_certificate), testing::StartsWith(path("none.pem")));
  EXPECT_THAT(message_of(no_key), testing::StartsWith(path("cert.pem")));
  EXPECT_THAT(message_of(half), HasSubstr("TLS needs both"));
  EXPECT_THAT(message_of(other_key), testing::StartsWith(path("other_key.pem")));
}

}  // namespace
}  // namespace trellis::server
