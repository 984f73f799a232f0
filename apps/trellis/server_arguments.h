// The options of `trellis serve` that say where it listens, who may call it, and what it takes.
#pragma once

#include "server/server_options.h"

#include <CLI/CLI.hpp>

#include <string>

namespace trellis {

/// As they stand on the command line: times in seconds, sizes in KiB and MiB.
struct ServerArguments {
  server::ServerOptions options;  // what needs no conversion
  int max_header_kib = 0;
  int max_body_mib = 0;
  double header_seconds = 0;
  double body_seconds = 0;
  double idle_seconds = 0;
  double write_seconds = 0;
  double drain_seconds = 0;

  ServerArguments();
};

void add_server_options(CLI::App& command, ServerArguments& arguments);

server::ServerOptions server_options(const ServerArguments& arguments);

}  // namespace trellis
