// __syncthreads, __syncwarp and the fences.
#pragma once

#include "simt/collective.h"

/// Waits for all threads of the block that have not ended.
void __syncthreads(const simt::Where& where = simt::Where::current());

/// Waits for the lanes of the mask and orders their memory accesses.
void __syncwarp(unsigned mask = 0xFFFFFFFFu, const simt::Where& where = simt::Where::current());

/// Threads run one at a time and see each other's writes at once; what a fence does here is to
/// order the accesses before it, for thread sanitizer, before those after a later fence.
void __threadfence();
void __threadfence_block();
void __threadfence_system();
