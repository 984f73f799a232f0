// mbarriers and the bulk copies that count at them. A copy happens when a thread waits for the
// phase that it belongs to, so that reading too early shows the old data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

/// The 64 bits of an mbarrier in shared memory: this emulation's own encoding.
struct Mbarrier {
  uint16_t arrivals;  // of a phase
  uint16_t missing;   // arrivals of this phase
  uint32_t parity : 1;
  uint32_t bytes : 31;  // that copies of this phase are to bring
};
static_assert(sizeof(Mbarrier) == 8);

/// The bulk copies of a block that nobody has waited for yet.
class BulkCopies {
 public:
  void start(void* destination, const void* source, std::size_t bytes, const Mbarrier* barrier) {
    copies_.push_back({destination, source, bytes, barrier});
  }

  /// If nothing but copies is missing for the phase and they bring what was announced, carries them
  /// out and begins the next phase.
  bool complete_phase(Mbarrier& barrier);

  bool any() const { return !copies_.empty(); }
  void clear() { copies_.clear(); }

 private:
  struct Copy {
    void* destination;
    const void* source;
    std::size_t bytes;
    const Mbarrier* barrier;
  };

  std::vector<Copy> copies_;
};

}  // namespace simt
