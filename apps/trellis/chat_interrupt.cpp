#include "apps/trellis/chat_interrupt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace trellis {
namespace {

constexpr int kExitInterrupted = 130;  // what shells report for a program ended by Ctrl-C

}  // namespace

void ChatInterrupt::interrupt() {
  const std::lock_guard lock(mutex_);
  if (!ready_ || interrupted_) {
    // The main thread may be waiting for the terminal or for a long step, so nothing is unwound; a
    // chat owns nothing that must be put in order.
    fmt::print(stderr, "\n");
    _exit(kExitInterrupted);
  }
  interrupted_ = true;
  if (stream_ != nullptr) {
    stream_->cancel();
  } else {
    fmt::print(stderr, "\n(Ctrl-C once more or Ctrl-D leaves)\n> ");
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
