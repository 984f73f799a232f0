#include "checkpoint/finite.h"

#include "base/thread_pool.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>

namespace trellis {
namespace {

constexpr int64_t kBlock = 2048;  // numbers looked at together; a block fits the first-level cache

/// Numbers that a thread looks at together, and from how many on threads share them: an
/// embedding's, whose reading from a mapped file takes a core a good part of a second.
constexpr int64_t kShare = int64_t{1} << 20;
constexpr int64_t kMostAlone = 16 * kShare;
constexpr int kMostThreads = 8;  // more do not read faster

/// A number is finite unless all bits of its exponent are set. Looks at numbers first to last - 1.
template <typename Bits>
std::optional<int64_t> find_in_range(
    const void* data, int64_t first, int64_t last, Bits exponent_mask
) {
  std::array<Bits, kBlock> block;
  for (int64_t begin = first; begin < last; begin += kBlock) {
    const int64_t size = std::min(kBlock, last - begin);
    std::memcpy(
        block.data(), static_cast<const char*>(data) + static_cast<size_t>(begin) * sizeof(Bits),
        static_cast<size_t>(size) * sizeof(Bits)
    );
    // No early exit inside a block, so that the loop becomes vector instructions.
    Bits found = 0;
    for (int64_t i = 0; i < size; ++i) {
      const Bits bits = block[static_cast<size_t>(i)];
      found = static_cast<Bits>(found | ((bits & exponent_mask) == exponent_mask ? 1 : 0));
    }
    if (found == 0) continue;
    for (int64_t i = 0; i < size; ++i) {
      if ((block[static_cast<size_t>(i)] & exponent_mask) == exponent_mask) return begin + i;
    }
  }
  return std::nullopt;
}

template <typename Bits>
std::optional<int64_t> find_full_exponent(const void* data, int64_t count, Bits exponent_mask) {
  if (count <= kMostAlone) return find_in_range(data, 0, count, exponent_mask);
  ThreadPool threads(std::min(ThreadPool::available_cpus(), kMostThreads));
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> found{kNone};
  threads.for_each(count, kShare, [&](int64_t begin, int64_t end, int) {
    if (begin > found.load()) return;
    const int64_t here = find_in_range(data, begin, end, exponent_mask).value_or(kNone);
    int64_t before = found.load();
    while (here < before && !found.compare_exchange_weak(before, here)) {
    }
  });
  return found == kNone ? std::nullopt : std::optional(found.load());
}

}  // namespace

std::optional<int64_t> find_non_finite(const ConstTensor& tensor) {
  TRELLIS_CHECK_EQ(tensor.row_stride(), tensor.row_size(), "contiguous rows");
  const int64_t count = tensor.numel();
  switch (tensor.dtype()) {
    case DType::kFloat16:
      return find_full_exponent<uint16_t>(tensor.data(), count, 0x7C00);
    case DType::kBFloat16:
      return find_full_exponent<uint16_t>(tensor.data(), count, 0x7F80);
    case DType::kFloat32:
      return find_full_exponent<uint32_t>(tensor.data(), count, 0x7F800000u);
    case DType::kFloat64:
      return find_full_exponent<uint64_t>(tensor.data(), count, 0x7FF0000000000000u);
    default:
      throw InternalError("find_non_finite: not a floating-point tensor");
  }
}

}  // namespace trellis
