// `trellis chat`: a conversation in the terminal.
#include "apps/trellis/chat_terminal.h"
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/prompt.h"
#include "apps/trellis/verbs.h"

#include <unistd.h>

#include <filesystem>

namespace trellis {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  trellis chat -m DIR\n"
    "  trellis chat -m DIR --system \"Answer in one sentence.\" --temperature 0.7 --seed 1\n"
    "  echo \"What is a cat?\" | trellis chat -m DIR      each line of stdin is a message\n"
    "In the chat /help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves.";

int chat(const ChatArguments& arguments) {
  require_valid(arguments.sampling);
  require_utf8(arguments.system, "--system");
  ChatInterrupt interrupt;
  const InterruptWatcher watcher([&interrupt] { interrupt.interrupt(); });
  const auto engine = load_engine(arguments.model);
  if (engine->chat_template() == nullptr) {
    throw UserError(
        "{}: the model has no chat template; use trellis generate", arguments.model.model_directory
    );
  }
  ChatTerminal terminal(arguments, *engine, interrupt);
  interrupt.set_ready();
  if (isatty(STDIN_FILENO) == 0) {
    terminal.answer_lines();
    return 0;
  }
  print_text(fmt::format(
      "{} ({}), loaded in {}. Write a message; /help lists the commands.\n",
      std::filesystem::path(arguments.model.model_directory).lexically_normal().string(),
      engine->info().backend, format_duration(engine->info().load_s)
  ));
  terminal.converse();
  return 0;
}

}  // namespace

RunVerb define_chat(CLI::App& command) {
  auto arguments = std::make_shared<ChatArguments>();
  add_model_option(command, arguments->model)->required();
  command.footer(kExamples);
  command.add_option("--system", arguments->system, "System message");
  whole_number(
      command.add_option(
          "--max-tokens", arguments->max_tokens,
          "Most tokens of an answer; without it what the context holds"
      ),
      1
  );
  add_sampling_options(command, arguments->sampling);
  add_backend_options(command, arguments->model);
  add_cache_options(command, arguments->model);
  add_fit_flag(command, arguments->model);
  add_step_options(command, arguments->model);
  add_deterministic_flag(command, arguments->model);
  return [arguments] { return chat(*arguments); };
}

}  // namespace trellis
