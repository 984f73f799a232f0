// The operations by which a kernel reaches the block that runs it.
#include "simt/collective.h"

#include "simt/barrier.h"
#include "simt/block.h"
#include "simt/sanitizers.h"

namespace simt {
namespace {

char fence_order = 0;

void nothing(void* const* /*operands*/, unsigned /*mask*/) {}

}  // namespace

void meet(
    unsigned mask, void* operand, Combine combine, const char* operation, const Where& where
) {
  processor().meet(mask, operand, combine, operation, where);
}

unsigned lane() {
  return current_fiber().lane;
}

void meet_warp(void* operand, Combine combine, const char* operation, const Where& where) {
  constexpr unsigned kAll = 0xFFFFFFFFu;
  if (current_fiber().warp->launched != kAll) fail("the warp has fewer than 32 lanes", where);
  meet(kAll, operand, combine, operation, where);
}

void fail(const char* what, const Where& where) {
  processor().fail(what, where);
}

}  // namespace simt

void __syncthreads(const simt::Where& where) {
  simt::processor().meet_block("__syncthreads", where);
}

void __syncwarp(unsigned mask, const simt::Where& where) {
  simt::meet(mask, nullptr, simt::nothing, "__syncwarp", where);
}

void __threadfence() {
  simt::ordered_after(&simt::fence_order);
  simt::ordered_before(&simt::fence_order);
}

void __threadfence_block() {
  __threadfence();
}

void __threadfence_system() {
  __threadfence();
}
