// Where threads of a kernel meet. Each lane of the mask hands in an operand and waits; the last one
// to arrive computes for all, and all go on.
#pragma once

#include <cstdint>
#include <source_location>

namespace simt {

using Where = std::source_location;

/// Computes a collective: operands[lane] is what that lane handed in, for the lanes of the mask.
using Combine = void (*)(void* const* operands, unsigned mask);

/// Meets the other lanes of the mask, which must all name the same mask and the same operation.
/// Fails the launch if the mask lacks the calling lane.
void meet(unsigned mask, void* operand, Combine combine, const char* operation, const Where& where);

/// Meets all 32 lanes of the warp. Fails the launch if the warp has fewer.
void meet_warp(void* operand, Combine combine, const char* operation, const Where& where);

/// The lane of the running thread.
unsigned lane();

/// Stops the kernel with a message that names it, the thread and the place.
[[noreturn]] void fail(const char* what, const Where& where);

}  // namespace simt
