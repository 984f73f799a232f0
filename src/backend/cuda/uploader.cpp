#include "backend/cuda/uploader.h"

#include "backend/cuda/device_memory.h"
#include "base/error.h"
#include "base/log.h"

#include <algorithm>
#include <cstring>

namespace trellis::cuda {
namespace {

/// Small uploads under way: those of a step, and of the one that is issued behind it.
constexpr size_t kSmallPlaces = 6;
/// What a thread copies at a time.
constexpr int64_t kGrain = int64_t{256} << 10;

HostRows one_row(const void* data, size_t bytes) {
  return {data, 1, bytes, bytes, bytes};
}

/// Bytes begin to end of the rows as they are to be in device memory.
void copy_rows(const HostRows& source, size_t begin, size_t end, char* to) {
  while (begin < end) {
    const size_t row = begin / source.padded;
    const size_t column = begin % source.padded;
    const size_t count = std::min(end - begin, source.padded - column);
    const size_t copied =
        column < source.row_bytes ? std::min(count, source.row_bytes - column) : 0;
    if (copied > 0) {
      const char* from = static_cast<const char*>(source.data) + row * source.stride + column;
      std::memcpy(to, from, copied);
    }
    std::memset(to + copied, 0, count - copied);
    begin += count;
    to += count;
  }
}

int threads_for(const UploadLimits& limits) {
  if (limits.num_threads > 0) return limits.num_threads;
  return std::min(ThreadPool::available_cpus(), UploadLimits::kMostThreads);
}

}  // namespace

Uploader::Uploader(cudaStream_t stream, const UploadLimits& limits)
    : stream_(stream),
      limits_(limits),
      small_(allocate_places(kSmallPlaces * kSmallBytes), kSmallPlaces) {
  TRELLIS_CHECK_EQ(limits.place_bytes % 256, 0u, "aligned pieces");
}

void Uploader::upload(void* destination, const void* source, size_t bytes) {
  upload(destination, one_row(source, bytes));
}

void Uploader::upload(void* destination, const HostRows& source) {
  const size_t bytes = source.bytes();
  UploadRing& ring = ring_for(bytes);
  for (size_t begin = 0; begin < bytes; begin += ring.capacity()) {
    send(
        ring, static_cast<char*>(destination) + begin, source, begin,
        std::min(begin + ring.capacity(), bytes)
    );
  }
}

void Uploader::pass(const void* source, size_t bytes, const Reader& read) {
  UploadRing& ring = ring_for(bytes);
  const size_t most = std::min(ring.capacity(), bytes);
  if (passed_.bytes() < most) passed_ = allocate_device(ring.capacity());
  for (size_t begin = 0; begin < bytes; begin += ring.capacity()) {
    const size_t end = std::min(begin + ring.capacity(), bytes);
    send(ring, passed_.data(), one_row(source, bytes), begin, end);
    read(passed_.data(), begin, end - begin);
  }
}

Buffer Uploader::allocate_places(size_t bytes) {
  if (locks_memory_) {
    try {
      return allocate_pinned(bytes);
    } catch (const UserError& error) {
      locks_memory_ = false;
      log_warn("{}; copies are slower without", error.what());
    }
  }
  return allocate_host(bytes);
}

UploadRing& Uploader::ring_for(size_t bytes) {
  if (bytes <= kSmallBytes) return small_;
  if (!threads_) threads_.emplace(threads_for(limits_));
  if (!large_)
    large_.emplace(allocate_places(limits_.places * limits_.place_bytes), limits_.places);
  return *large_;
}

void Uploader::send(
    UploadRing& ring, void* destination, const HostRows& source, size_t begin, size_t end
) {
  const auto fill = [&](char* piece) {
    const auto copy = [&](int64_t from, int64_t to, int) {
      const auto first = static_cast<size_t>(from);
      copy_rows(source, begin + first, begin + static_cast<size_t>(to), piece + first);
    };
    const auto bytes = static_cast<int64_t>(end - begin);
    if (&ring == &small_) return copy(0, bytes, 0);
    threads_->for_each(bytes, kGrain, copy);
  };
  ring.send(stream_, destination, end - begin, fill);
}

}  // namespace trellis::cuda
