#include "apps/trellis/line_editor.h"

#include "base/error.h"

#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <cwchar>

namespace trellis {
namespace {

constexpr int kHistoryLines = 500;

struct KeyBinding {
  const char* keys;
  const char* command;
};

/// What terminals send for keys that the library leaves unbound.
constexpr KeyBinding kBindings[] = {
    {"\\e[3~", "ed-delete-next-char"},  // Delete
    {"\\e[1~", "ed-move-to-beg"},       // Home, three spellings
    {"\\e[H", "ed-move-to-beg"},
    {"\\eOH", "ed-move-to-beg"},
    {"\\e[4~", "ed-move-to-end"},  // End
    {"\\e[F", "ed-move-to-end"},
    {"\\eOF", "ed-move-to-end"},
    {"\\e[1;5D", "ed-prev-word"},  // Ctrl with the arrows
    {"\\e[1;5C", "em-next-word"},
    {"^W", "ed-delete-prev-word"},
    {"^R", "em-inc-search-prev"},
    {"^C", "interrupt"},
    {"^Z", "suspend"},
};

/// The library takes bytes for characters as the locale says; text here is always UTF-8.
void use_utf8() {
  ::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) ::setlocale(LC_CTYPE, "C.UTF-8");
}

/// Makes keys of Ctrl-C and Ctrl-Z before the prompt is shown, and puts the terminal back at the
/// end. The library does so only after the prompt: a Ctrl-C in between would be a signal, and what
/// was typed before it lost.
class KeysWithoutSignals {
 public:
  KeysWithoutSignals() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ISIG | ICANON | ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &keys) == 0;
  }
  ~KeysWithoutSignals() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  KeysWithoutSignals(const KeysWithoutSignals&) = delete;
  KeysWithoutSignals& operator=(const KeysWithoutSignals&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  const char* prompt = "";
  bool interrupted = false;

  static State* of(EditLine* editor) {
    void* state = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &state);
    return static_cast<State*>(state);
  }
  static char* show_prompt(EditLine* editor) { return const_cast<char*>(of(editor)->prompt); }
  static unsigned char interrupt(EditLine* editor, wint_t) {
    of(editor)->interrupted = true;
    return CC_EOF;
  }
  static unsigned char suspend(EditLine*, wint_t) {
    ::kill(::getpid(), SIGTSTP);  // the library's handler puts the terminal in order around it
    return CC_REFRESH;
  }
};

LineEditor::LineEditor() : state_(std::make_unique<State>()) {
  use_utf8();
  state_->editor = ::el_init("trellis", stdin, stdout, stderr);
  state_->history = ::history_init();
  if (state_->editor == nullptr || state_->history == nullptr) throw std::bad_alloc();
  EditLine* const editor = state_->editor;
  ::history(state_->history, &state_->event, H_SETSIZE, kHistoryLines);
  ::history(state_->history, &state_->event, H_SETUNIQUE, 1);
  ::el_set(editor, EL_CLIENTDATA, state_.get());
  ::el_set(editor, EL_PROMPT, &State::show_prompt);
  ::el_set(editor, EL_HIST, ::history, state_->history);
  ::el_set(editor, EL_EDITOR, "emacs");
  ::el_set(editor, EL_SIGNAL, 1);  // being stopped, ended or resized leaves the terminal in order
  // While a line is edited Ctrl-C and Ctrl-Z are keys and no signals.
  ::el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  // Wide names are taken as they are; of others the library makes copies that it never frees.
  ::el_wset(editor, EL_ADDFN, L"interrupt", L"Discard the line", &State::interrupt);
  ::el_wset(editor, EL_ADDFN, L"suspend", L"Stop the program until fg", &State::suspend);
  for (const KeyBinding& binding : kBindings) {
    ::el_set(editor, EL_BIND, binding.keys, binding.command, nullptr);
  }
}

LineEditor::~LineEditor() {
  ::el_end(state_->editor);
  ::history_end(state_->history);
}

LineEditor::Outcome LineEditor::read(const char* prompt, std::string& line) {
  state_->prompt = prompt;
  state_->interrupted = false;
  int count = 0;
  const KeysWithoutSignals keys;
  const char* const text = ::el_gets(state_->editor, &count);
  if (state_->interrupted) return Outcome::kInterrupted;
  if (text == nullptr || count <= 0) return Outcome::kEnd;
  line.assign(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.find_first_not_of(" \t") != std::string::npos) {
    ::history(state_->history, &state_->event, H_ENTER, line.c_str());
  }
  return Outcome::kLine;
}

}  // namespace trellis
