// A stack to run on, and the switch from one to another: a few registers saved and the stack
// pointer exchanged, no system call. The sanitizers are told of every switch.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace simt {

/// Where execution left off: of the host thread (default constructor) or of a stack of its own.
class Context {
 public:
  Context() = default;
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Gives this context a stack, if it has none, and makes the next switch to it call entry(),
  /// which must not return. What was left unfinished on the stack is forgotten.
  void start(void (*entry)());

  /// Leaves `from`, which is the one running, and goes on where `to` left off.
  static void switch_to(Context& from, Context& to);

  /// Thread sanitizer's name for what runs here.
  void* tsan_fiber() const { return tsan_fiber_; }

  /// What every entry function calls first.
  static void entered();

 private:
  void release();
  static void arrive(void* fake_stack);

  char* mapping_ = nullptr;  // guard page, then the stack
  char* stack_ = nullptr;
  std::size_t stack_bytes_ = 0;
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t saved_;
#endif
  void* fake_stack_ = nullptr;  // address sanitizer's
  void* tsan_fiber_ = nullptr;  // thread sanitizer's
};

}  // namespace simt
