#include "simt/warpgroup.h"

#include "simt/block.h"
#include "simt/half_bits.h"
#include "simt/ptx.h"

#include <array>
#include <cstring>

namespace simt {
namespace {

constexpr int kRows = 16;  // of a warp; the warpgroup has 64
constexpr int kDepth = 16;
constexpr int kMaxColumns = 256;

/// A matrix descriptor for B, K-major with 128-byte swizzle (PTX ISA, "Matrix Descriptor Format").
struct Descriptor {
  uint32_t start;   // shared address of column 0, k = 0
  uint32_t stride;  // bytes between groups of eight columns
};

Descriptor decode(uint64_t bits, const Where& where) {
  constexpr uint64_t k128ByteSwizzle = 1;
  if (bits >> 62 != k128ByteSwizzle) fail("wgmma: B must have the 128-byte swizzle", where);
  if ((bits >> 49 & 7u) != 0) fail("wgmma: a base offset is not emulated", where);
  return {
      .start = static_cast<uint32_t>(bits & 0x3FFFu) << 4,
      .stride = static_cast<uint32_t>(bits >> 32 & 0x3FFFu) << 4,
  };
}

/// A column is 64 halves in 128 bytes; its eight 16-byte pieces stand in an order that depends on
/// address bits 7 to 9.
uint32_t swizzle(uint32_t address) {
  return address ^ (address >> 3 & 0x70u);
}

void load_b(float (&b)[kDepth][kMaxColumns], int columns, uint64_t descriptor, const Where& where) {
  constexpr uint32_t kColumnBytes = 128;
  constexpr uint32_t kPieceBytes = 16;
  const Descriptor d = decode(descriptor, where);
  for (int n = 0; n < columns; ++n) {
    const uint32_t column = d.start + static_cast<uint32_t>(n / 8) * d.stride +
                            static_cast<uint32_t>(n % 8) * kColumnBytes;
    for (int piece = 0; piece < 2; ++piece) {
      const uint32_t address = swizzle(column + static_cast<uint32_t>(piece) * kPieceBytes);
      std::array<uint16_t, 8> halves;
      std::memcpy(halves.data(), shared_pointer(address, kPieceBytes, where), kPieceBytes);
      for (int i = 0; i < 8; ++i) b[8 * piece + i][n] = widen_half(halves[static_cast<size_t>(i)]);
    }
  }
}

/// A's fragment is that of mma.m16n8k16; D's is that of mma's accumulators, for every eight
/// columns.
void multiply(const std::array<WarpgroupProduct, kWarpLanes>& lanes, const Where& where) {
  static float b[kDepth][kMaxColumns];  // one block runs at a time; too large for a fiber's stack
  const int columns = lanes[0].columns;
  load_b(b, columns, lanes[0].b_descriptor, where);
  for (int row = 0; row < kRows; ++row) {
    float sums[kMaxColumns] = {};
    for (int k = 0; k < kDepth; ++k) {
      const WarpgroupProduct& owner = lanes[static_cast<size_t>(row % 8 * 4 + k % 8 / 2)];
      const uint32_t pair = owner.a[row / 8 + 2 * (k / 8)];
      const float a = widen_half(static_cast<uint16_t>(k % 2 ? pair >> 16 : pair));
      for (int n = 0; n < columns; ++n) sums[n] += a * b[k][n];
    }
    for (int n = 0; n < columns; ++n) {
      const WarpgroupProduct& owner = lanes[static_cast<size_t>(row % 8 * 4 + n % 8 / 2)];
      owner.d[n / 8 * 4 + row / 8 * 2 + n % 2] += sums[n];
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
    float* d, int columns, const uint32_t (&a)[4], uint64_t b_descriptor, const Where& where
) {
  processor().meet_warpgroup("wgmma", where);
  current_fiber().products.start({d, columns, {a[0], a[1], a[2], a[3]}, b_descriptor});
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
