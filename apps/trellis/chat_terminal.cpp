#include "apps/trellis/chat_terminal.h"

#include "apps/trellis/answer_speed.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/prompt.h"
#include "base/result.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

namespace trellis {
namespace {

/// Asked where nobody is there to ask.
constexpr const char* kSamplePrompt = "What is the capital of France?";

}  // namespace

const ChatTerminal::Command ChatTerminal::kCommands[] = {
    {"/help", "", "this list", &ChatTerminal::help},
    {"/clear", "", "forget the conversation, keep the system message", &ChatTerminal::clear},
    {"/system", "TEXT", "set the system message; without TEXT remove it", &ChatTerminal::set_system
    },
    {"/retry", "", "another answer to the last message", &ChatTerminal::retry},
    {"/save", "FILE", "write the conversation to FILE as one line of JSON", &ChatTerminal::save},
    {"/stats", "", "speed and size of the conversation", &ChatTerminal::stats},
};

ChatTerminal::ChatTerminal(const ChatArguments& arguments, Engine& engine, ChatInterrupt& interrupt)
    : engine_(engine),
      interrupt_(interrupt),
      session_(
          [&engine](const OrderedJson& messages) {
            return encode_conversation(engine.tokenizer(), *engine.chat_template(), messages);
          },
          engine.info().context_tokens
      ),
      sampling_(apply(arguments.sampling, engine.default_sampling())),
      max_tokens_(arguments.max_tokens),
      temperature_given_(arguments.sampling.temperature.has_value()) {
  session_.set_system(arguments.system);
}

void ChatTerminal::converse() {
  LineEditor editor;
  std::string message;
  while (read_message(editor, message)) {
    interrupt_.rearm();
    handle(message);
  }
  print_text("\n");
}

bool ChatTerminal::read_message(LineEditor& editor, std::string& message) {
  message.clear();
  std::string line;
  while (true) {
    switch (editor.read(message.empty() ? "> " : ". ", line)) {
      case LineEditor::Outcome::kEnd:
        return false;
      case LineEditor::Outcome::kInterrupted:
        interrupt_.interrupt();
        message.clear();
        continue;
      case LineEditor::Outcome::kLine:
        break;
    }
    message += line;
    if (line.empty() || line.back() != '\\') return true;
    message.back() = '\n';
  }
}

void ChatTerminal::answer_lines() {
  std::string line;
  bool any = false;
  while (std::getline(std::cin, line)) {
    interrupt_.rearm();
    handle(line);
    any = true;
  }
  if (any) return;
  // Greedy, so that the one answer a visitor sees is the model's best.
  if (!temperature_given_) sampling_.temperature = 0;
  print_text(fmt::format("> {}\n", kSamplePrompt));
  ask(kSamplePrompt);
  if (last_usage_) print_text(fmt::format("[{}]\n", describe_speed(*last_usage_)));
}

void ChatTerminal::handle(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return;
  const size_t end = line.find_last_not_of(" \t\r");
  const std::string text = line.substr(begin, end - begin + 1);
  try {
    require_utf8(text, "the message");
  } catch (const UserError& error) {
    return print_note(fmt::format("[{}]\n", error.what()));
  }
  if (text.front() == '/') {
    run_command(text);
  } else {
    ask(text);
  }
}

void ChatTerminal::run_command(const std::string& line) {
  const size_t space = line.find_first_of(" \t");
  const std::string name = line.substr(0, space);
  const size_t begin = line.find_first_not_of(" \t", space);
  const std::string argument = begin == std::string::npos ? "" : line.substr(begin);
  for (const Command& command : kCommands) {
    if (name == command.name) return (this->*command.run)(argument);
  }
  print_text(fmt::format("There is no command {}; /help lists them.\n", name));
}

void ChatTerminal::ask(const std::string& message) {
  session_.add_user(message);
  answer();
}

void ChatTerminal::answer() {
  try {
    ChatSession::Prompt prompt = session_.prompt();
    if (prompt.num_dropped > 0) {
      print_note(fmt::format(
          "[the conversation has outgrown the context of {} tokens: the oldest {} messages are "
          "left out]\n",
          session_.context_tokens(), prompt.num_dropped
      ));
    }
    write_answer(std::move(prompt.ids));
  } catch (const UserError& error) {
    session_.remove_last();
    print_note(fmt::format("[{}]\n", error.what()));
  }
}

void ChatTerminal::write_answer(std::vector<int32_t> prompt_ids) {
  Request request;
  request.prompt_ids = std::move(prompt_ids);
  request.sampling = sampling_;
  request.max_tokens = max_tokens_;
  auto submitted = engine_.submit(std::move(request));
  if (!submitted) throw UserError(submitted.error().message);
  const std::unique_ptr<EventStream> stream = std::move(submitted).value();

  std::string text;
  Event last;
  interrupt_.set_stream(stream.get());
  while (auto event = stream->next()) {
    print_text(event->text);
    text += event->text;
    last = std::move(*event);
    if (last.finished) break;
  }
  interrupt_.set_stream(nullptr);
  print_text("\n");

  if (last.finish_reason == FinishReason::kError) throw DeviceError(last.error);
  if (last.finish_reason == FinishReason::kCancelled) print_note("[stopped]\n");
  if (last.finish_reason == FinishReason::kLength) {
    print_note(fmt::format(
        "[cut after {} tokens: {}]\n", last.usage.decode_tokens,
        max_tokens_ == last.usage.decode_tokens ? "--max-tokens" : "the context is full"
    ));
  }
  if (text.empty() && last.finish_reason == FinishReason::kCancelled) return session_.remove_last();
  session_.add_answer(std::move(text));
  last_usage_ = last.usage;
  total_usage_.prompt_tokens += last.usage.prompt_tokens;
  total_usage_.decode_tokens += last.usage.decode_tokens;
  total_usage_.prompt_s += last.usage.prompt_s;
  total_usage_.decode_s += last.usage.decode_s;
}

void ChatTerminal::help(const std::string&) {
  for (const Command& command : kCommands) {
    print_text(fmt::format(
        "  {:<14} {}\n", fmt::format("{} {}", command.name, command.argument), command.help
    ));
  }
  print_text(
      "  \\              at the end of a line: the message goes on in the next\n"
      "  Ctrl-C         stop the answer; twice: leave\n"
      "  Ctrl-D         leave\n"
  );
}

void ChatTerminal::clear(const std::string&) {
  session_.clear();
  print_text("The conversation is forgotten.\n");
}

void ChatTerminal::set_system(const std::string& argument) {
  session_.set_system(argument);
  print_text(argument.empty() ? "The system message is gone.\n" : "The system message is set.\n");
}

void ChatTerminal::retry(const std::string&) {
  if (!session_.retry()) return print_text("There is no answer to try again.\n");
  if (sampling_.seed) ++*sampling_.seed;  // the same seed would only repeat the answer
  answer();
}

void ChatTerminal::save(const std::string& argument) {
  if (argument.empty()) return print_text("/save needs the name of a file.\n");
  std::ofstream file(argument);
  const OrderedJson document = {{"messages", session_.messages()}};
  file << document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) << '\n';
  file.close();
  print_text(
      file ? fmt::format("Saved to {}.\n", argument)
           : fmt::format("{}: cannot be written: {}\n", argument, std::strerror(errno))
  );
}

void ChatTerminal::stats(const std::string&) {
  const ModelInfo& info = engine_.info();
  print_text(fmt::format(
      "  model     {}, {} of weights, {}\n  context   {} of {} tokens in the last prompt, {} of "
      "cache\n",
      info.architecture, format_quantity(static_cast<double>(info.weight_bytes), "B"), info.backend,
      session_.prompt_tokens(), info.context_tokens,
      format_quantity(static_cast<double>(info.cache_bytes), "B")
  ));
  if (!last_usage_) return;
  print_text(fmt::format("  last      {}\n", describe_speed(*last_usage_)));
  print_text(fmt::format(
      "  all       {} tokens in {}, prompts of {} tokens in {}\n", total_usage_.decode_tokens,
      format_duration(total_usage_.decode_s), total_usage_.prompt_tokens,
      format_duration(total_usage_.prompt_s)
  ));
}

}  // namespace trellis
