// `trellis chat`: a conversation in the terminal. Line editing is the terminal's own.
#include "apps/trellis/chat_terminal.h"
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/json_output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/verbs.h"

#include <unistd.h>

#include <filesystem>

namespace trellis {
namespace {

int chat(const ChatArguments& arguments) {
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
  command.add_option("--system", arguments->system, "System message");
  command
      .add_option(
          "--max-tokens", arguments->max_tokens,
          "Most tokens of an answer; without it what the context holds"
      )
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  add_sampling_options(command, arguments->sampling);
  add_backend_options(command, arguments->model);
  add_cache_options(command, arguments->model);
  return [arguments] { return chat(*arguments); };
}

}  // namespace trellis
