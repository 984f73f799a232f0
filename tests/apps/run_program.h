// Runs the built program as a user would and keeps what it printed.
#pragma once

#include "base/json.h"

#include <gmock/gmock.h>

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

/// The program failed with this code and said why in one line on stderr, and nothing on stdout.
void expect_failure(
    const ProgramResult& result, int code, const testing::Matcher<std::string>& message
);

/// The one JSON document on stdout of a run that succeeded.
Json document_of(const ProgramResult& result);

}  // namespace trellis
