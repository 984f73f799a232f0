// The device that the emulation presents, which tests may choose, and its recovery after a failure.
#pragma once

#include <cstddef>

namespace simt {

struct Device {
  int compute_major = 9;
  int compute_minor = 0;
  int multiprocessors = 4;
  std::size_t memory_bytes = std::size_t{8} << 30;
  std::size_t lockable_bytes = std::size_t{8} << 30;  // of host memory, in one allocation
  std::size_t shared_bytes_per_multiprocessor = 228 << 10;
  std::size_t shared_bytes_per_block = 227 << 10;  // what a kernel may ask for
};

/// What the runtime API says of the device from now on.
void set_device(const Device& device);
Device device();

/// Forgets a failure, which otherwise every call of the runtime API returns for good.
void reset_errors();

}  // namespace simt
