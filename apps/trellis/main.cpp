// The program `trellis`: a table of verbs, and the one place where errors become a sentence and an
// exit code.
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/verbs.h"
#include "base/log.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace trellis {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

constexpr const char* kFooter =
    "trellis VERB --help explains a verb, with examples. Begin with:\n"
    "  trellis chat -m DIR\n"
    "DIR is a model directory as Hugging Face lays it out: EXL3, or plain fp16, bf16 or fp32.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C.";

struct Verb {
  const char* name;
  const char* summary;
  RunVerb (*define)(CLI::App& command);
  const char* log_level = "warn";
};

constexpr Verb kVerbs[] = {
    {"chat", "Talk to a model in the terminal", define_chat},
    {"generate", "Complete one prompt", define_generate},
    {"serve", "Serve a model over HTTP", define_serve, "info"},  // its log has a line a request
    {"inspect", "Show what a model directory holds and what it needs", define_inspect},
    {"quantize", "Convert a Hugging Face model directory to EXL3", define_quantize},
    {"perplexity", "Measure how well a model predicts a text", define_perplexity},
    {"bench", "Measure speed and its share of the memory bandwidth", define_bench},
    {"bench-serve", "Measure a server under load", define_bench_serve},
    {"devices", "List the CPU and the GPUs, or say why there is no GPU", define_devices},
    {"gpu-check", "Check and measure a GPU, and write a report", define_gpu_check},
};

/// Prints "trellis: message" as a single line and returns the code. Messages quote what files hold,
/// so no control character reaches the terminal.
int fail(std::string message, int code) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  std::replace_if(message.begin(), message.end(), is_control, ' ');
  print_note(fmt::format("trellis: {}\n", message));
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

/// "unknown option --x" or "unexpected argument "x"", whichever came first of what nothing took.
std::string describe_unknown(const std::vector<std::string>& unknown) {
  const auto is_option = [](const std::string& word) { return word.starts_with('-'); };
  const auto option = std::find_if(unknown.begin(), unknown.end(), is_option);
  if (option != unknown.end()) return fmt::format("unknown option {}", *option);
  return fmt::format("unexpected argument \"{}\"", unknown.front());
}

int usage_failure(const CLI::App& app, std::string message) {
  const auto chosen = app.get_subcommands();
  const auto unknown = app.remaining(true);
  if (!unknown.empty()) message = describe_unknown(unknown);
  if (chosen.empty()) {
    std::vector<std::string> names;
    for (const Verb& verb : kVerbs) names.emplace_back(verb.name);
    const bool misspelt = !unknown.empty() && !unknown.front().starts_with('-');
    if (misspelt) message = fmt::format("there is no verb \"{}\"", unknown.front());
    if (unknown.empty()) message = "no verb was given";
    message += fmt::format("; the verbs are {}", fmt::join(names, ", "));
  }
  const std::string verb = chosen.empty() ? "" : " " + chosen.front()->get_name();
  return fail(fmt::format("{} (see trellis{} --help)", message, verb), kExitUsage);
}

int run(int argc, char** argv) {
  CLI::App app("Trellis runs language models in EXL3 format on this machine.", "trellis");
  app.set_version_flag("--version", "trellis " TRELLIS_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // the options here may also stand behind the verb
  std::string log_level;
  app.footer(kFooter);
  one_of(
      app.add_option(
          "--log-level", log_level,
          "What to log to stderr; may also follow the verb. Without it: info for serve, else warn"
      ),
      {"off", "error", "warn", "info", "debug"}
  );

  RunVerb chosen;
  for (const Verb& verb : kVerbs) {
    CLI::App* command = app.add_subcommand(verb.name, verb.summary);
    RunVerb run_verb = verb.define(*command);
    command->callback([&, run_verb] {
      chosen = run_verb;
      if (log_level.empty()) log_level = verb.log_level;
    });
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
  trellis::occupy_standard_descriptors();
  return trellis::run(argc, argv);
}
