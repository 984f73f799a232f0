#include "base/job_thread.h"

#include <pthread.h>

#include <csignal>

namespace trellis {

JobThread::JobThread(size_t capacity) : jobs_(capacity) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // a thread begins with its maker's mask
  thread_ = std::thread([this] {
    while (const auto job = jobs_.pop()) (*job)();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

JobThread::~JobThread() {
  jobs_.close();
  thread_.join();
}

}  // namespace trellis
