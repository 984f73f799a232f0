// What the emulation tells the sanitizers it is built with; each function is empty without them.
// Thread sanitizer sees every thread of a block as a thread, ordered by ordered_before() and
// ordered_after() alone.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace simt {

/// What happened so far in this thread comes before what follows ordered_after(point) elsewhere.
inline void ordered_before([[maybe_unused]] void* point) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(point);
#endif
}

/// The other end of ordered_before().
inline void ordered_after([[maybe_unused]] void* point) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(point);
#endif
}

/// While it lives, accesses count as those of another thread, by thread sanitizer's name for it.
class AsThread {
 public:
#if defined(__SANITIZE_THREAD__)
  explicit AsThread(void* fiber) : self_(__tsan_get_current_fiber()) {
    __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
  }
  ~AsThread() { __tsan_switch_to_fiber(self_, __tsan_switch_to_fiber_no_sync); }

 private:
  void* self_;
#else
  explicit AsThread(void* /*fiber*/) {}
#endif
};

/// Thread sanitizer's name for the running thread.
inline void* current_tsan_fiber() {
#if defined(__SANITIZE_THREAD__)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

}  // namespace simt
