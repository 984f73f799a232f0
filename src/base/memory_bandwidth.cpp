#include "base/memory_bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace trellis {
namespace {

constexpr size_t kTotalBytes = size_t{512} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kPasses = 8;
constexpr size_t kChains = 16;

using Words = std::unique_ptr<uint64_t[], decltype(&std::free)>;

/// Memory in huge pages, as weights have it, its pages touched by the calling thread. bytes: a
/// multiple of 2 MiB.
Words allocate_touched(size_t bytes) {
  Words words(static_cast<uint64_t*>(std::aligned_alloc(kHugePage, bytes)), std::free);
  if (!words) throw std::bad_alloc();
  ::madvise(words.get(), bytes, MADV_HUGEPAGE);
  std::fill_n(words.get(), bytes / sizeof(uint64_t), 1);
  return words;
}

/// The exclusive or of all words, in independent chains: loads never wait for arithmetic.
uint64_t fold(const uint64_t* words, size_t count) {
  std::array<uint64_t, kChains> chains{};
  for (size_t i = 0; i < count; i += kChains) {
    for (size_t chain = 0; chain < kChains; ++chain) chains[chain] ^= words[i + chain];
  }
  uint64_t folded = 0;
  for (const uint64_t chain : chains) folded ^= chain;
  return folded;
}

}  // namespace

double measure_read_bandwidth(ThreadPool& pool) {
  const auto num_threads = static_cast<size_t>(pool.num_threads());
  const size_t bytes = (kTotalBytes / num_threads + kHugePage - 1) / kHugePage * kHugePage;
  std::vector<Words> parts;
  for (size_t i = 0; i < num_threads; ++i) parts.emplace_back(nullptr, std::free);
  pool.run([&](int worker) { parts[static_cast<size_t>(worker)] = allocate_touched(bytes); });

  volatile uint64_t folded = 0;  // asked for, so that no compiler drops the reads
  double best_seconds = 1e30;
  for (int pass = 0; pass < kPasses; ++pass) {
    std::vector<uint64_t> results(num_threads);
    const auto begin = std::chrono::steady_clock::now();
    pool.run([&](int worker) {
      const auto index = static_cast<size_t>(worker);
      results[index] = fold(parts[index].get(), bytes / sizeof(uint64_t));
    });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best_seconds = std::min(best_seconds, elapsed.count());
    for (const uint64_t result : results) folded = folded ^ result;
  }
  return static_cast<double>(bytes * num_threads) / best_seconds / 1e9;
}

}  // namespace trellis
