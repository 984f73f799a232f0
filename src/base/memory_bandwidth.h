// The speed at which this machine reads memory: the peak that every report of a decode speed is a
// share of.
#pragma once

#include "base/thread_pool.h"

namespace trellis {

/// Streams through a buffer far larger than the caches with all of the pool's threads, several
/// times, and returns the best in GB/s (1e9 bytes per second). Takes 512 MiB of memory and about
/// half a second.
double measure_read_bandwidth(ThreadPool& pool);

}  // namespace trellis
