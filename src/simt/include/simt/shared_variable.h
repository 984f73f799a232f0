// Shared variables. The build rewrites `__shared__ T name[N];` in a kernel to
//     auto& name = ::simt::shared_variable<T[N], alignment>([] {});
// (cmake/TrellisSimt.cmake), so that each is allocated on its own, for one block at a time.
#pragma once

#include <cstddef>

namespace simt {

/// The memory of the variable that `key` stands for, the same for all threads of the block. Filled
/// with 0xFF bytes before the block's first thread sees it.
void* shared_variable(const void* key, std::size_t bytes, std::size_t alignment);

/// As above; each lambda expression, in each instance of its template, is a variable of its own.
template <typename T, std::size_t Alignment = alignof(T), typename Tag>
T& shared_variable(Tag /*tag*/) {
  static const char key = 0;
  constexpr std::size_t kAlignment = Alignment > alignof(T) ? Alignment : alignof(T);
  return *static_cast<T*>(shared_variable(&key, sizeof(T), kAlignment));
}

/// The dynamic shared memory of the block, aligned to 1024 bytes.
char* dynamic_shared();

}  // namespace simt
