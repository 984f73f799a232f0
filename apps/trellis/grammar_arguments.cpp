#include "apps/trellis/grammar_arguments.h"

#include "apps/trellis/prompt.h"
#include "apps/trellis/verbs.h"
#include "base/json.h"

namespace trellis {
namespace {

constexpr size_t kMaxGrammarBytes = (1u << 20) + 1;  // one more than a grammar may have

/// Whether it is a schema rather than the name of a file with one.
bool is_schema(const std::string& argument) {
  const size_t start = argument.find_first_not_of(" \t\r\n");
  return start != std::string::npos && argument[start] == '{';
}

std::string read_grammar_file(const std::string& path) {
  std::string text = read_text_file(path, kMaxGrammarBytes);
  require_utf8(text, path);
  return text;
}

}  // namespace

void add_grammar_options(CLI::App& command, GrammarArguments& arguments) {
  static constexpr const char* kGroup = "Form of the answer";
  command
      .add_option(
          "--json-schema", arguments.json_schema, "The answer is JSON that satisfies this schema"
      )
      ->type_name("FILE|TEXT")
      ->group(kGroup);
  command.add_option("--regex", arguments.regex, "The answer matches this regular expression")
      ->type_name("PATTERN")
      ->group(kGroup);
  command.add_option("--choice", arguments.choices, "The answer is one of these; repeat for each")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group(kGroup);
  command.add_option("--grammar", arguments.lark_file, "The answer follows this Lark grammar")
      ->type_name("FILE")
      ->group(kGroup);
}

void require_valid(const GrammarArguments& arguments) {
  const int count = static_cast<int>(arguments.json_schema.has_value()) +
                    static_cast<int>(arguments.regex.has_value()) +
                    static_cast<int>(!arguments.choices.empty()) +
                    static_cast<int>(arguments.lark_file.has_value());
  if (count > 1) {
    throw UsageError("give only one of --json-schema, --regex, --choice and --grammar");
  }
}

std::optional<Grammar> read_grammar(const GrammarArguments& arguments) {
  if (const auto& schema = arguments.json_schema) {
    return Grammar{
        GrammarKind::kJsonSchema, is_schema(*schema) ? *schema : read_grammar_file(*schema)
    };
  }
  if (arguments.regex) return Grammar{GrammarKind::kRegex, *arguments.regex};
  if (!arguments.choices.empty()) {
    for (const std::string& choice : arguments.choices) require_utf8(choice, "--choice");
    return Grammar{GrammarKind::kChoice, Json(arguments.choices).dump()};
  }
  if (arguments.lark_file) {
    return Grammar{GrammarKind::kLark, read_grammar_file(*arguments.lark_file)};
  }
  return std::nullopt;
}

}  // namespace trellis
