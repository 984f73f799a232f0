// `trellis serve` running beside the test, as a user would start it.
#pragma once

#include "base/temporary_directory.h"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

class ServerProgram {
 public:
  /// Starts "trellis serve" with these arguments behind it, at a free port, and waits until it says
  /// where it listens.
  explicit ServerProgram(const std::vector<std::string>& arguments);
  /// Kills it where it still runs.
  ~ServerProgram();
  ServerProgram(const ServerProgram&) = delete;
  ServerProgram& operator=(const ServerProgram&) = delete;

  uint16_t port() const { return port_; }
  const std::string& first_line() const { return first_line_; }
  void signal(int number) const;
  /// Waits for its end. The exit code, or 128 and the number of the signal that ended it.
  int wait();
  /// What it has written to stderr so far.
  std::string log() const;

 private:
  pid_t process_ = -1;
  TemporaryDirectory folder_;
  std::string log_file_ = (folder_.path() / "log").string();
  std::string first_line_;
  uint16_t port_ = 0;
};

}  // namespace trellis
