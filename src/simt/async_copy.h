// cp.async: copies to shared memory that a thread starts and whose data is there only after it has
// waited for them. Here they happen in the wait, so that reading too early shows the old data.
#pragma once

#include <cstddef>
#include <vector>

namespace simt {

/// Copies as a thread of the kernel does, a multiple of 16 bytes; zeros where source is null.
void copy_by_thread(void* destination, const void* source, std::size_t bytes);

/// The copies one thread has in flight.
class AsyncCopies {
 public:
  /// Sixteen bytes; zeros where source is null.
  void start(void* destination, const void* source) { copies_.push_back({destination, source}); }

  /// Ends the group of the copies started since the last call.
  void commit() { group_ends_.push_back(copies_.size()); }

  /// Carries out all groups but the `pending` latest ones.
  void wait(std::size_t pending);

  /// Carries out everything, committed or not: what the device does at the latest when the thread
  /// ends.
  void finish();

  void clear();

 private:
  struct Copy {
    void* destination;
    const void* source;
  };

  void carry_out(std::size_t first, std::size_t end);

  std::vector<Copy> copies_;
  std::vector<std::size_t> group_ends_;  // into copies_
};

}  // namespace simt
