#include "simt/context.h"

#include "simt/sanitizers.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

namespace simt {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = 256 << 10;  // its frames hold red zones
#else
constexpr std::size_t kStackBytes = 128 << 10;
#endif

#if defined(__SANITIZE_ADDRESS__)
Context* left = nullptr;  // the context of the last switch
#endif

}  // namespace

#if defined(__x86_64__)
extern "C" void simt_exchange_stack(void** saved, void* next);

asm(R"(
  .text
  .p2align 4
  .type simt_exchange_stack, @function
simt_exchange_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size simt_exchange_stack, .-simt_exchange_stack
)");
#endif

Context::~Context() {
  if (mapping_) release();
}

void Context::release() {
  munmap(mapping_, static_cast<std::size_t>(stack_ - mapping_) + stack_bytes_);
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(tsan_fiber_);
#endif
}

void Context::start(void (*entry)()) {
  if (mapping_) release();  // the sanitizers are to know nothing of what the old stack held
  const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* mapping = mmap(
      nullptr, guard + kStackBytes, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
  );
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char*>(mapping);
  mprotect(mapping_, guard, PROT_NONE);
  stack_ = mapping_ + guard;
  stack_bytes_ = kStackBytes;
#if defined(__SANITIZE_THREAD__)
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, stack_bytes_);
  fake_stack_ = nullptr;
#endif
#if defined(__x86_64__)
  // As if entry() had been called: the stack is 16-byte aligned before its return address.
  void** top = reinterpret_cast<void**>(stack_ + stack_bytes_);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--top = nullptr;
  stack_pointer_ = top;
#else
  getcontext(&saved_);
  saved_.uc_stack.ss_sp = stack_;
  saved_.uc_stack.ss_size = stack_bytes_;
  saved_.uc_link = nullptr;
  makecontext(&saved_, entry, 0);
#endif
}

void Context::switch_to(Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  left = &from;
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_, to.stack_bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
  from.tsan_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
  simt_exchange_stack(&from.stack_pointer_, to.stack_pointer_);
#else
  swapcontext(&from.saved_, &to.saved_);
#endif
  arrive(from.fake_stack_);  // back in `from`
}

void Context::entered() {
  arrive(nullptr);
}

void Context::arrive([[maybe_unused]] void* fake_stack) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
  if (!left->mapping_) {  // the host thread's stack: its bounds are needed to come back to it
    left->stack_ = const_cast<char*>(static_cast<const char*>(bottom));
    left->stack_bytes_ = bytes;
  }
#endif
}

}  // namespace simt
