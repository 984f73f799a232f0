// The program `trellis`: a table of verbs, and the one place where errors become a sentence and an
// exit code.
#include "apps/trellis/verbs.h"
#include "base/log.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace trellis {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

struct Verb {
  const char* name;
  const char* summary;
  RunVerb (*define)(CLI::App& command);
};

constexpr Verb kVerbs[] = {
    {"chat", "Talk to a model in the terminal", define_chat},
    {"generate", "Complete one prompt", define_generate},
    {"inspect", "Show what a model directory holds and what it needs", define_inspect},
    {"quantize", "Convert a Hugging Face model directory to EXL3", define_quantize},
    {"perplexity", "Measure how well a model predicts a text", define_perplexity},
    {"bench", "Measure speed and its share of the memory bandwidth", define_bench},
};

/// Prints "trellis: message" as a single line and returns the code.
int fail(std::string message, int code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  fmt::print(stderr, "trellis: {}\n", message);
  return code;
}

/// The arguments as CLI11 takes them: last first. "--name=" stands for an empty value, which it
/// would otherwise look for in the next argument.
std::vector<std::string> reversed_arguments(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    std::string argument = argv[i];
    if (argument.starts_with("--") && argument.ends_with('=')) {
      argument.pop_back();
      arguments.emplace_back();
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

int usage_failure(const CLI::App& app, std::string message) {
  const auto unknown = app.remaining();
  if (app.get_subcommands().empty() && !unknown.empty()) {
    message = fmt::format("there is no verb \"{}\"", unknown.front());
  }
  const auto chosen = app.get_subcommands();
  const std::string verb = chosen.empty() ? "" : " " + chosen.front()->get_name();
  return fail(fmt::format("{} (see trellis{} --help)", message, verb), kExitUsage);
}

int run(int argc, char** argv) {
  CLI::App app("Trellis runs language models in EXL3 format on this machine.", "trellis");
  app.set_version_flag("--version", "trellis " TRELLIS_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // the options here may also stand behind the verb
  std::string log_level = "warn";
  app.add_option("--log-level", log_level, "What to log to stderr")
      ->check(CLI::IsMember({"off", "error", "warn", "info", "debug"}))
      ->capture_default_str();

  RunVerb chosen;
  for (const Verb& verb : kVerbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.summary);
    RunVerb run_verb = verb.define(*command);
    command->callback([&chosen, run_verb] { chosen = run_verb; });
  }

  try {
    app.parse(reversed_arguments(argc, argv));
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return usage_failure(app, error.what());
  }
  try {
    configure_log(log_level);
    return chosen();
  } catch (const UsageError& error) {
    return usage_failure(app, error.what());
  } catch (const std::bad_alloc&) {
    return fail("out of memory; use a smaller model, context or batch", kExitFailure);
  } catch (const InternalError& error) {
    return fail(fmt::format("this is a bug in trellis: {}", error.what()), kExitFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kExitFailure);
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  return trellis::run(argc, argv);
}
