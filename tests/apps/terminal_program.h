// The built program at a terminal of its own, as a person sits before it.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// Nothing waits longer than a minute, and no longer than it has to.
class TerminalProgram {
 public:
  /// arguments follow the program's name.
  explicit TerminalProgram(const std::vector<std::string>& arguments);
  ~TerminalProgram();
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;

  void type(std::string_view keys);
  /// What came since the last call, until `end` has come. Fails the test where it does not.
  std::string read_until(std::string_view end);
  /// Waits for the end of the program. Returns its exit code, 128 + signal where one ended it.
  int wait();
  /// All that it printed, escape sequences included.
  const std::string& output() const { return output_; }

  /// How the terminal is set at the moment.
  termios settings() const;

 private:
  /// Takes what is there within the time; false at the end of the output or when nothing came.
  bool read_some(int timeout_ms);

  pid_t child_ = -1;
  int terminal_ = -1;
  std::string output_;
  size_t seen_ = 0;  // of output_, by read_until()
};

}  // namespace trellis
