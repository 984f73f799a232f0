#include "apps/trellis/chat_interrupt.h"

#include "apps/trellis/output.h"

#include <unistd.h>

namespace trellis {
namespace {

constexpr int kExitInterrupted = 130;  // what shells report for a program ended by Ctrl-C

}  // namespace

ChatInterrupt::ChatInterrupt() {
  if (::tcgetattr(STDIN_FILENO, &terminal_) == 0) has_terminal_ = true;
}

void ChatInterrupt::interrupt() {
  const std::lock_guard lock(mutex_);
  if (!ready_ || interrupted_) {
    // The main thread may be waiting for the terminal or for a long step, so nothing is unwound; a
    // chat owns nothing that must be put in order.
    if (has_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_);
    print_note("\n");
    _exit(kExitInterrupted);
  }
  interrupted_ = true;
  if (stream_ != nullptr) {
    stream_->cancel();
  } else {
    print_note("\n(Ctrl-C once more or Ctrl-D leaves)\n");
  }
}

void ChatInterrupt::set_ready() {
  const std::lock_guard lock(mutex_);
  ready_ = true;
}

void ChatInterrupt::rearm() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
}

void ChatInterrupt::set_stream(EventStream* stream) {
  const std::lock_guard lock(mutex_);
  stream_ = stream;
}

}  // namespace trellis
