// Runs the built program as a user would and keeps what it printed.
#pragma once

#include <string>
#include <vector>

namespace trellis {

struct ProgramResult {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

/// arguments follow the program's name; input is what its stdin holds, not a terminal.
ProgramResult run_program(const std::vector<std::string>& arguments, const std::string& input = "");

}  // namespace trellis
