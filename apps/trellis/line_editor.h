// Lines typed at a terminal, with the cursor keys, history and the usual Emacs keys. The rest of
// the program does not know which library does it.
#pragma once

#include <memory>
#include <string>

namespace trellis {

/// Reads from stdin, which must be a terminal. One at a time, used by one thread. Between two
/// read() the terminal is as it was before, so that Ctrl-C is a signal then.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Outcome { kLine, kInterrupted, kEnd };

  /// Waits for a line, which comes without its newline and joins the history. kInterrupted: Ctrl-C
  /// was pressed and what had been typed is gone. kEnd: Ctrl-D on an empty line, or no terminal any
  /// more. prompt must live until read() returns.
  Outcome read(const char* prompt, std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trellis
