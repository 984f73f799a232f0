// mma and ldmatrix: the fragments of the lanes put together to matrices, by the layouts of the PTX
// ISA ("Matrix Fragments for mma.m16n8k16" and "m16n8k32"), multiplied, and taken apart again.
#include "base/half.h"
#include "simt/half_bits.h"
#include "simt/ptx.h"

#include <array>
#include <cstring>

namespace simt {
namespace {

constexpr int kLanes = 32;
constexpr int kRows = 16;
constexpr int kColumns = 8;

template <typename T>
const MmaOperand<T>& operand_of(void* const* operands, int lane) {
  return *static_cast<const MmaOperand<T>*>(operands[lane]);
}

/// A 32-bit register of a fragment holds neighbours along k: two of 16 bits or four of 8.
template <typename Element>
using Register = std::array<Element, 4 / sizeof(Element)>;

template <typename Element>
Register<Element> unpack(uint32_t bits) {
  Register<Element> elements;
  std::memcpy(elements.data(), &bits, sizeof(bits));
  return elements;
}

/// a0: row g, a1: row g + 8, a2 and a3: the same rows in the second half of k. b0, b1: column g in
/// the first and the second half of k. Here g = lane / 4, and lane % 4 counts registers along k.
/// Sums of products of bytes are exact in fp32: at most 32 * 255 * 128.
template <typename A, typename B, typename T, typename Widen, typename Add>
void multiply(void* const* operands, Widen widen, Add add) {
  constexpr int kPerRegister = 4 / sizeof(A);
  constexpr int kDepth = 8 * kPerRegister;
  static_assert(sizeof(A) == sizeof(B));
  float a[kRows][kDepth];
  float b[kDepth][kColumns];
  for (int lane = 0; lane < kLanes; ++lane) {
    const MmaOperand<T>& operand = operand_of<T>(operands, lane);
    const int group = lane / 4;
    const int first = lane % 4 * kPerRegister;
    for (int r = 0; r < 4; ++r) {
      const auto elements = unpack<A>(operand.a[r]);
      const int row = group + 8 * (r & 1);
      const int k = first + kDepth / 2 * (r >> 1);
      for (int i = 0; i < kPerRegister; ++i) a[row][k + i] = widen(elements[i]);
    }
    for (int r = 0; r < 2; ++r) {
      const auto elements = unpack<B>(operand.b[r]);
      for (int i = 0; i < kPerRegister; ++i) {
        b[first + kDepth / 2 * r + i][group] = widen(elements[i]);
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    float sums[kColumns] = {};
    for (int k = 0; k < kDepth; ++k) {
      for (int column = 0; column < kColumns; ++column) sums[column] += a[row][k] * b[k][column];
    }
    // d0, d1: row g, columns 2t and 2t + 1; d2, d3: row g + 8. Here t = lane % 4.
    for (int column = 0; column < kColumns; ++column) {
      T& d = operand_of<T>(operands, row % 8 * 4 + column / 2).d[row / 8 * 2 + column % 2];
      d = add(d, sums[column]);
    }
  }
}

int add_wrapping(int d, float sum) {
  return static_cast<int>(static_cast<unsigned>(d) + static_cast<unsigned>(static_cast<int>(sum)));
}

float widen_byte(int x) {
  return static_cast<float>(x);
}

float add_floats(float d, float sum) {
  return d + sum;
}

}  // namespace

void mma_u8s8(void* const* operands, unsigned /*mask*/) {
  multiply<uint8_t, int8_t, int>(operands, widen_byte, add_wrapping);
}

void mma_s8s8(void* const* operands, unsigned /*mask*/) {
  multiply<int8_t, int8_t, int>(operands, widen_byte, add_wrapping);
}

void mma_f16(void* const* operands, unsigned /*mask*/) {
  multiply<uint16_t, uint16_t, float>(operands, widen_half, add_floats);
}

void mma_bf16(void* const* operands, unsigned /*mask*/) {
  multiply<uint16_t, uint16_t, float>(operands, trellis::bfloat16_to_float, add_floats);
}

/// Lane l gets, of each matrix, elements 2 (l % 4) and the next of row l / 4; transposed: of column
/// l / 4. Row i of matrix m is the one that lane 8 m + i named.
template <int Matrices, bool Transposed>
void load_matrices(void* const* operands, unsigned /*mask*/) {
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int m = 0; m < Matrices; ++m) {
      uint32_t result = 0;
      for (int i = 0; i < 2; ++i) {
        const int along = lane % 4 * 2 + i;
        const int row = Transposed ? along : lane / 4;
        const int column = Transposed ? lane / 4 : along;
        const auto* source = static_cast<const MatrixRow*>(operands[8 * m + row]);
        result |= static_cast<uint32_t>(source->row[column]) << (16 * i);
      }
      static_cast<MatrixRow*>(operands[lane])->result[m] = result;
    }
  }
}

template void load_matrices<2, false>(void* const*, unsigned);
template void load_matrices<2, true>(void* const*, unsigned);
template void load_matrices<4, false>(void* const*, unsigned);
template void load_matrices<4, true>(void* const*, unsigned);

/// The same elements the other way.
template <int Matrices, bool Transposed>
void gather_matrix_rows(void* const* operands, unsigned /*mask*/) {
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int m = 0; m < Matrices; ++m) {
      const uint32_t elements = static_cast<const StoredRow*>(operands[lane])->elements[m];
      for (int i = 0; i < 2; ++i) {
        const int along = lane % 4 * 2 + i;
        const int row = Transposed ? along : lane / 4;
        const int column = Transposed ? lane / 4 : along;
        auto* destination = static_cast<StoredRow*>(operands[8 * m + row]);
        destination->row[column] = static_cast<uint16_t>(elements >> (16 * i));
      }
    }
  }
}

template void gather_matrix_rows<4, true>(void* const*, unsigned);

}  // namespace simt
