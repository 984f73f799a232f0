// The terminal side of a chat: reads messages and commands, streams answers, prints notes. The
// conversation itself is a ChatSession.
#pragma once

#include "apps/trellis/chat_interrupt.h"
#include "apps/trellis/chat_session.h"
#include "apps/trellis/line_editor.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/sampling_arguments.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct ChatArguments {
  ModelArguments model;
  SamplingArguments sampling;
  std::string system;
  std::optional<int64_t> max_tokens;
};

/// Answers go to stdout, notes to stderr. The engine must have a chat template.
class ChatTerminal {
 public:
  ChatTerminal(const ChatArguments& arguments, Engine& engine, ChatInterrupt& interrupt);

  /// Reads messages and commands from the terminal until it is closed. A backslash at the end of a
  /// line goes on with the next.
  void converse();
  /// Answers every line of stdin, or the sample prompt if there is none.
  void answer_lines();

 private:
  struct Command {
    const char* name;
    const char* argument;  // what follows the name, or ""
    const char* help;
    void (ChatTerminal::*run)(const std::string& argument);
  };
  static const Command kCommands[];

  /// One message or command; false at the end.
  bool read_message(LineEditor& editor, std::string& message);
  void handle(const std::string& line);
  void run_command(const std::string& line);
  void ask(const std::string& message);
  /// Writes the model's answer to the last message; takes the message back where that fails.
  void answer();
  void write_answer(std::vector<int32_t> prompt_ids);

  void help(const std::string& argument);
  void clear(const std::string& argument);
  void set_system(const std::string& argument);
  void retry(const std::string& argument);
  void save(const std::string& argument);
  void stats(const std::string& argument);

  Engine& engine_;
  ChatInterrupt& interrupt_;
  ChatSession session_;
  SamplingParams sampling_;
  std::optional<int64_t> max_tokens_;
  bool temperature_given_;
  std::optional<Usage> last_usage_;
  Usage total_usage_;
};

}  // namespace trellis
