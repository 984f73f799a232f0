// The verbs of the command line. Each is defined in the file of its name: it adds its options to a
// CLI11 subcommand and returns what runs once they are parsed. main.cpp holds the table.
#pragma once

#include "base/error.h"

#include <CLI/CLI.hpp>

#include <functional>

namespace trellis {

/// Runs a verb and returns the exit code. Throws UserError and the like for what main prints as one
/// sentence.
using RunVerb = std::function<int()>;

RunVerb define_chat(CLI::App& command);
RunVerb define_generate(CLI::App& command);
RunVerb define_inspect(CLI::App& command);
RunVerb define_serve(CLI::App& command);
RunVerb define_quantize(CLI::App& command);
RunVerb define_perplexity(CLI::App& command);
RunVerb define_bench(CLI::App& command);
RunVerb define_bench_serve(CLI::App& command);
RunVerb define_devices(CLI::App& command);
RunVerb define_gpu_check(CLI::App& command);

/// The flags do not go together; the exit code is 2, as for those that CLI11 refuses.
class UsageError : public UserError {
 public:
  using UserError::UserError;
};

}  // namespace trellis
