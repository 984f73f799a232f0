#include "apps/trellis/interrupt_watcher.h"

#include <pthread.h>

#include <utility>

namespace trellis {

InterruptWatcher::InterruptWatcher(std::function<void()> on_interrupt, std::vector<int> signals)
    : on_interrupt_(std::move(on_interrupt)), waking_signal_(signals.front()) {
  sigset_t interrupts;
  sigemptyset(&interrupts);
  for (const int signal : signals) sigaddset(&interrupts, signal);
  pthread_sigmask(SIG_BLOCK, &interrupts, &previous_mask_);
  thread_ = std::thread([this, interrupts] {
    while (true) {
      int signal = 0;
      sigwait(&interrupts, &signal);
      if (stopping_.load()) return;
      on_interrupt_();
    }
  });
}

InterruptWatcher::~InterruptWatcher() {
  stopping_.store(true);
  pthread_kill(thread_.native_handle(), waking_signal_);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

}  // namespace trellis
