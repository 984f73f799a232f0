// What Ctrl-C does in a chat: the first stops the answer that is being written, a second one leaves
// the program.
#pragma once

#include "trellis/engine.h"

#include <termios.h>

#include <mutex>

namespace trellis {

/// interrupt() may be called by any thread, the rest by the chat's. Make it before anything changes
/// the terminal: leaving puts it back as it is then.
class ChatInterrupt {
 public:
  ChatInterrupt();

  void interrupt();

  /// The chat is ready for messages; before that, the first Ctrl-C leaves.
  void set_ready();
  /// The user wrote something: the next Ctrl-C is a first one again.
  void rearm();
  /// The answer that Ctrl-C stops, or null between answers. Borrowed until the next call.
  void set_stream(EventStream* stream);

 private:
  std::mutex mutex_;
  EventStream* stream_ = nullptr;
  termios terminal_{};
  bool has_terminal_ = false;
  bool ready_ = false;
  bool interrupted_ = false;
};

}  // namespace trellis
