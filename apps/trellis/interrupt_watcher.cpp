#include "apps/trellis/interrupt_watcher.h"

#include <pthread.h>

#include <utility>

namespace trellis {

InterruptWatcher::InterruptWatcher(std::function<void()> on_interrupt)
    : on_interrupt_(std::move(on_interrupt)) {
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
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
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

}  // namespace trellis
