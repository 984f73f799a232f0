// How fast the device reads its memory: the peak that decoding is compared with.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace trellis::cuda {

/// Threads of read_all() on a device of so many multiprocessors.
int64_t num_readers(int multiprocessors);

/// Reads `bytes` at source once; a multiple of 16, aligned to 16. Each thread leaves the exclusive
/// or of the words that it has read in folded, [num_readers].
void read_all(
    cudaStream_t stream, const void* source, size_t bytes, int multiprocessors, uint32_t* folded
);

/// Reads `bytes` of memory, which it takes for that time, again and again, and returns the best in
/// GB/s. bytes: far more than the L2 cache holds. Waits for the device.
double measure_read_bandwidth(cudaStream_t stream, size_t bytes, int multiprocessors);

}  // namespace trellis::cuda
