// The options that say what an answer must look like.
#pragma once

#include "trellis/grammar.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct GrammarArguments {
  std::optional<std::string> json_schema;  // its text, or a file
  std::optional<std::string> regex;
  std::vector<std::string> choices;
  std::optional<std::string> lark_file;
};

void add_grammar_options(CLI::App& command, GrammarArguments& arguments);

/// Throws UsageError where more than one was given.
void require_valid(const GrammarArguments& arguments);

/// Nothing where none was given. Throws UserError naming a file that cannot be read.
std::optional<Grammar> read_grammar(const GrammarArguments& arguments);

}  // namespace trellis
