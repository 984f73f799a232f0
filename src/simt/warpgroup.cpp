#include "simt/warpgroup.h"

#include "simt/block.h"
#include "simt/half_bits.h"
#include "simt/ptx.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace simt {
namespace {

constexpr int kRows = 16;  // of a warp; the warpgroup has 64
constexpr int kDepth = 16;
constexpr int kMaxColumns = 256;

/// A matrix descriptor with the 128-byte swizzle (PTX ISA, "Matrix Descriptor Format", "Strides").
/// A line is 64 halves in 128 bytes: numbers along k of one row of A or column of B where the
/// matrix is K-major, of one k where it is N-major. Eight lines follow one another.
struct Descriptor {
  uint32_t start;    // shared address of the first line
  uint32_t leading;  // N-major: bytes from 64 columns to the next
  uint32_t stride;   // bytes from eight lines to the next
};

Descriptor decode(uint64_t bits, const Where& where) {
  constexpr uint64_t k128ByteSwizzle = 1;
  if (bits >> 62 != k128ByteSwizzle) fail("wgmma: operands must have the 128-byte swizzle", where);
  if ((bits >> 49 & 7u) != 0) fail("wgmma: a base offset is not emulated", where);
  return {
      .start = static_cast<uint32_t>(bits & 0x3FFFu) << 4,
      .leading = static_cast<uint32_t>(bits >> 16 & 0x3FFFu) << 4,
      .stride = static_cast<uint32_t>(bits >> 32 & 0x3FFFu) << 4,
  };
}

/// The eight numbers at an address before the swizzle, by which the 16-byte pieces of a line stand
/// in an order that depends on address bits 7 to 9.
std::array<float, 8> load_piece(uint32_t address, const Where& where) {
  constexpr uint32_t kPieceBytes = 16;
  std::array<uint16_t, 8> halves;
  const uint32_t swizzled = address ^ (address >> 3 & 0x70u);
  std::memcpy(halves.data(), shared_pointer(swizzled, kPieceBytes, where), kPieceBytes);
  std::array<float, 8> numbers;
  for (size_t i = 0; i < 8; ++i) numbers[i] = widen_half(halves[i]);
  return numbers;
}

uint32_t line_address(const Descriptor& d, int line) {
  constexpr uint32_t kLineBytes = 128;
  return d.start + static_cast<uint32_t>(line / 8) * d.stride +
         static_cast<uint32_t>(line % 8) * kLineBytes;
}

/// Calls store(line, k, number) for lines [first, first + count) of a K-major matrix.
template <typename Store>
void load_k_major(const Descriptor& d, int first, int count, const Where& where, Store store) {
  for (int line = 0; line < count; ++line) {
    for (int k = 0; k < kDepth; k += 8) {
      const auto address = line_address(d, first + line) + static_cast<uint32_t>(k * 2);
      const std::array<float, 8> numbers = load_piece(address, where);
      for (int i = 0; i < 8; ++i) store(line, k + i, numbers[static_cast<size_t>(i)]);
    }
  }
}

void load_b(float (&b)[kDepth][kMaxColumns], const WarpgroupProduct& product, const Where& where) {
  constexpr int kLine = 64;
  const Descriptor d = decode(product.b_descriptor, where);
  if (!product.b_is_n_major) {
    load_k_major(d, 0, product.columns, where, [&](int n, int k, float x) { b[k][n] = x; });
    return;
  }
  for (int k = 0; k < kDepth; ++k) {
    for (int n = 0; n < product.columns; n += 8) {
      const uint32_t address = line_address(d, k) + static_cast<uint32_t>(n / kLine) * d.leading +
                               static_cast<uint32_t>(n % kLine * 2);
      const std::array<float, 8> numbers = load_piece(address, where);
      std::copy(numbers.begin(), numbers.end(), &b[k][n]);
    }
  }
}

/// The 16 rows of the running warp.
void load_a(
    float (&a)[kRows][kDepth], const std::array<WarpgroupProduct, kWarpLanes>& lanes,
    const Where& where
) {
  if (lanes[0].a_is_shared) {
    const int first = static_cast<int>(current_fiber().warp->index % 4) * kRows;
    const Descriptor d = decode(lanes[0].a_descriptor, where);
    load_k_major(d, first, kRows, where, [&](int row, int k, float x) { a[row][k] = x; });
    return;
  }
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      const WarpgroupProduct& owner = lanes[static_cast<size_t>(row % 8 * 4 + k % 8 / 2)];
      const uint32_t pair = owner.a[row / 8 + 2 * (k / 8)];
      a[row][k] = widen_half(static_cast<uint16_t>(k % 2 ? pair >> 16 : pair));
    }
  }
}

/// A's fragment is that of mma.m16n8k16; D's is that of mma's accumulators, for every eight
/// columns.
void multiply(const std::array<WarpgroupProduct, kWarpLanes>& lanes, const Where& where) {
  static float b[kDepth][kMaxColumns];  // one block runs at a time; too large for a fiber's stack
  float a[kRows][kDepth];
  const int columns = lanes[0].columns;
  load_a(a, lanes, where);
  load_b(b, lanes[0], where);
  for (int row = 0; row < kRows; ++row) {
    float sums[kMaxColumns] = {};
    for (int k = 0; k < kDepth; ++k) {
      for (int n = 0; n < columns; ++n) sums[n] += a[row][k] * b[k][n];
    }
    for (int n = 0; n < columns; ++n) {
      const WarpgroupProduct& owner = lanes[static_cast<size_t>(row % 8 * 4 + n % 8 / 2)];
      float& d = owner.d[n / 8 * 4 + row / 8 * 2 + n % 2];
      d = owner.adds ? d + sums[n] : sums[n];
    }
  }
}

struct WaitOperand {
  WarpgroupProducts* products;
  std::size_t count;
  Where where;
};

void finish(void* const* operands, unsigned /*mask*/) {
  const auto operand = [&](int lane) -> WaitOperand& {
    return *static_cast<WaitOperand*>(operands[lane]);
  };
  const std::size_t count = operand(0).count;
  std::array<WarpgroupProduct, kWarpLanes> lanes;
  for (std::size_t i = 0; i < count; ++i) {
    for (int lane = 0; lane < kWarpLanes; ++lane) {
      if (operand(lane).count != count)
        fail("wgmma: lanes differ in their groups", operand(0).where);
      lanes[static_cast<size_t>(lane)] = operand(lane).products->product(i);
    }
    multiply(lanes, operand(0).where);
  }
  for (int lane = 0; lane < kWarpLanes; ++lane) operand(lane).products->drop(count);
}

void nothing(void* const* /*operands*/, unsigned /*mask*/) {}

}  // namespace

void WarpgroupProducts::drop(std::size_t count) {
  products_.erase(products_.begin(), products_.begin() + static_cast<std::ptrdiff_t>(count));
  std::erase_if(group_ends_, [=](std::size_t end) { return end <= count; });
  for (std::size_t& end : group_ends_) end -= count;
}

void WarpgroupProducts::clear() {
  products_.clear();
  group_ends_.clear();
}

void issue_wgmma(
    float* d, int columns, const uint32_t (&a)[4], uint64_t b_descriptor, bool b_is_n_major,
    const Where& where
) {
  processor().meet_warpgroup("wgmma", where);
  WarpgroupProduct product{};
  product.d = d;
  product.columns = columns;
  std::copy(std::begin(a), std::end(a), product.a);
  product.b_descriptor = b_descriptor;
  product.b_is_n_major = b_is_n_major;
  product.adds = true;
  current_fiber().products.start(product);
}

void issue_shared_wgmma(
    float* d, int columns, uint64_t a_descriptor, uint64_t b_descriptor, bool adds,
    const Where& where
) {
  processor().meet_warpgroup("wgmma", where);
  WarpgroupProduct product{};
  product.d = d;
  product.columns = columns;
  product.a_descriptor = a_descriptor;
  product.b_descriptor = b_descriptor;
  product.a_is_shared = true;
  product.adds = adds;
  current_fiber().products.start(product);
}

void commit_wgmma(const Where& where) {
  meet_warp(nullptr, nothing, "wgmma_commit", where);
  current_fiber().products.commit();
}

void wait_for_wgmma(std::size_t pending, const Where& where) {
  WarpgroupProducts& products = current_fiber().products;
  WaitOperand operand{&products, products.due(pending), where};
  meet_warp(&operand, finish, "wgmma_wait", where);
}

void fence_wgmma(const Where& where) {
  meet_warp(nullptr, nothing, "wgmma_fence", where);
}

}  // namespace simt
