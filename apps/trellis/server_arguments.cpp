#include "apps/trellis/server_arguments.h"

#include "apps/trellis/option_values.h"
#include "apps/trellis/seconds.h"

namespace trellis {
namespace {

constexpr const char* kAddressGroup = "Address";
constexpr const char* kKeyGroup = "Keys";
constexpr const char* kLimitGroup = "Limits";
constexpr int kMostPort = 65535;
constexpr int kMostCount = 1 << 20;
constexpr int kMostHeaderKib = 1024;
constexpr int kMostBodyMib = 4096;

CLI::Option* texts(CLI::Option* option, const char* type_name) {
  return option->type_name(type_name)->allow_extra_args(false);
}

void add_address_options(CLI::App& command, server::ServerOptions& options) {
  const auto text = [&](const char* name, std::string& value, const char* help) {
    return command.add_option(name, value, help)->group(kAddressGroup);
  };
  text("--host", options.host, "Address to listen at; 0.0.0.0 = all of this machine")
      ->type_name("HOST")
      ->capture_default_str();
  whole_number(command.add_option("--port", options.port, "Port; 0 = any free one"), 0, kMostPort)
      ->capture_default_str()
      ->group(kAddressGroup);
  text("--unix-socket", options.unix_socket, "Listen at a unix socket instead")->type_name("PATH");
  text("--tls-certificate", options.tls_certificate, "Speak TLS: the chain, in PEM format")
      ->type_name("FILE");
  text("--tls-key", options.tls_key, "Its private key, in PEM format")->type_name("FILE");
  texts(
      command.add_option(
          "--cors-origin", options.cors_origins,
          "Web page that may call from a browser, e.g. https://a.org, or *; may be repeated"
      ),
      "ORIGIN"
  )
      ->group(kAddressGroup);
}

void add_key_options(CLI::App& command, server::AuthOptions& auth) {
  texts(
      command.add_option("--api-key", auth.api_keys, "Key that clients send; may be repeated"),
      "KEY"
  )
      ->group(kKeyGroup);
  texts(
      command.add_option(
          "--admin-key", auth.admin_keys, "Key for administrators, too; may be repeated"
      ),
      "KEY"
  )
      ->group(kKeyGroup);
  command
      .add_option(
          "--key-file", auth.key_file, "Lines of \"user|admin sha256:HEX [name]\"; may change"
      )
      ->type_name("FILE")
      ->group(kKeyGroup);
  command
      .add_flag("--no-auth", auth.no_auth, "Without a key everyone who reaches the server may call")
      ->group(kKeyGroup);
}

void add_limit_options(CLI::App& command, ServerArguments& arguments) {
  const auto count = [&](const char* name, int& value, int most, const char* help) {
    whole_number(command.add_option(name, value, help), 1, most)
        ->capture_default_str()
        ->group(kLimitGroup);
  };
  const auto time = [&](const char* name, double& value, const char* help) {
    seconds_option(command.add_option(name, value, help))->group(kLimitGroup);
  };
  server::ServerLimits& limits = arguments.options.limits;
  count("--max-connections", limits.connections, kMostCount, "Most connections; else 503");
  count("--max-requests", limits.requests, kMostCount, "Most requests at once; else 429");
  count("--max-header-kib", arguments.max_header_kib, kMostHeaderKib, "Most headers; else 431");
  count("--max-body-mib", arguments.max_body_mib, kMostBodyMib, "Largest body; else 413");
  time("--header-seconds", arguments.header_seconds, "For the headers to come; else 408");
  time("--body-seconds", arguments.body_seconds, "For the body to come; else 408");
  time("--idle-seconds", arguments.idle_seconds, "Between requests of a connection");
  time(
      "--write-seconds", arguments.write_seconds, "For a client to read 64 KiB; else it is cut off"
  );
  time(
      "--drain-seconds", arguments.drain_seconds,
      "For running answers to finish after SIGTERM or Ctrl-C; a second one ends at once"
  );
}

}  // namespace

ServerArguments::ServerArguments()
    : max_header_kib(static_cast<int>(options.limits.header_bytes >> 10)),
      max_body_mib(static_cast<int>(options.limits.body_bytes >> 20)),
      header_seconds(seconds(options.limits.header)),
      body_seconds(seconds(options.limits.body)),
      idle_seconds(seconds(options.limits.idle)),
      write_seconds(seconds(options.limits.write)),
      drain_seconds(seconds(options.limits.drain)) {}

void add_server_options(CLI::App& command, ServerArguments& arguments) {
  add_address_options(command, arguments.options);
  add_key_options(command, arguments.options.auth);
  add_limit_options(command, arguments);
}

server::ServerOptions server_options(const ServerArguments& arguments) {
  server::ServerOptions options = arguments.options;
  server::ServerLimits& limits = options.limits;
  limits.header_bytes = static_cast<size_t>(arguments.max_header_kib) << 10;
  limits.body_bytes = static_cast<size_t>(arguments.max_body_mib) << 20;
  limits.header = milliseconds(arguments.header_seconds);
  limits.body = milliseconds(arguments.body_seconds);
  limits.idle = milliseconds(arguments.idle_seconds);
  limits.write = milliseconds(arguments.write_seconds);
  limits.drain = milliseconds(arguments.drain_seconds);
  return options;
}

}  // namespace trellis
