// A file in TOML whose keys are the long names of a verb's options.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace trellis {

/// Sets those options of `command`, and of the program, that were not given on the command line.
/// Throws CLI::ValidationError that names the file, the line and the key: for a key that is no
/// option, and for a value that its option does not take.
void apply_config_file(CLI::App& command, const std::string& path);

}  // namespace trellis
