#include "simt/mbarrier.h"

#include "simt/async_copy.h"
#include "simt/block.h"
#include "simt/ptx.h"
#include "simt/sanitizers.h"

namespace simt {
namespace {

Mbarrier& at(uint32_t address, const Where& where) {
  return *reinterpret_cast<Mbarrier*>(shared_pointer(address, sizeof(Mbarrier), where));
}

}  // namespace

bool BulkCopies::complete_phase(Mbarrier& barrier) {
  if (barrier.missing != 0) return false;
  std::size_t bytes = 0;
  for (const Copy& copy : copies_) bytes += copy.barrier == &barrier ? copy.bytes : 0;
  if (bytes != barrier.bytes) return false;
  for (const Copy& copy : copies_) {
    if (copy.barrier == &barrier) copy_by_thread(copy.destination, copy.source, copy.bytes);
  }
  std::erase_if(copies_, [&](const Copy& copy) { return copy.barrier == &barrier; });
  barrier.missing = barrier.arrivals;
  barrier.bytes = 0;
  barrier.parity ^= 1u;
  return true;
}

void init_mbarrier(uint32_t barrier, uint32_t arrivals, const Where& where) {
  const auto count = static_cast<uint16_t>(arrivals);
  if (arrivals == 0 || count != arrivals) fail("an mbarrier needs 1 to 65535 arrivals", where);
  at(barrier, where) = {.arrivals = count, .missing = count, .parity = 0, .bytes = 0};
}

void arrive_at_mbarrier(uint32_t barrier, uint32_t bytes, const Where& where) {
  Block& block = current_block();
  Mbarrier& state = at(barrier, where);
  ordered_after(&state);
  // The phase before may be over but for copies that nobody waited for.
  if (state.missing == 0 && !block.bulk_copies.complete_phase(state)) {
    fail("more arrivals at the mbarrier than it was initialised with", where);
  }
  ordered_before(&state);
  --state.missing;
  state.bytes += bytes;
  if (state.missing == 0) processor().notify();
}

void wait_for_mbarrier(uint32_t barrier, uint32_t parity, const Where& where) {
  Block& block = current_block();
  Mbarrier& state = at(barrier, where);
  while (state.parity == (parity & 1u)) {
    ordered_after(&state);  // the copies come after what their issuers did
    if (block.bulk_copies.complete_phase(state)) {
      ordered_before(&state);
      processor().notify();
    } else {
      processor().wait_for_notice("mbarrier_try_wait_parity", where);
    }
  }
  ordered_after(&state);
}

void start_bulk_copy(
    uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier, const Where& where
) {
  if (bytes == 0 || bytes % 16 != 0) fail("a bulk copy takes a multiple of 16 bytes", where);
  if (shared % 16 != 0) fail("the destination of a bulk copy is not aligned to 16 bytes", where);
  Block& block = current_block();
  char* destination = block.shared.pointer(shared, bytes, where);
  Mbarrier& state = at(barrier, where);
  ordered_before(&state);
  block.bulk_copies.start(destination, global, bytes, &state);
  processor().notify();
}

}  // namespace simt
