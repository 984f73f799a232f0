// Trellis words to weights, for one instruction set: included inside a translation unit that
// defined TRELLIS_ISA and included its vector header.
//
// A vector of 32 words holds one stream word of each of 32 tiles: 8 along the outputs times 4 along
// the inputs, lane 4 * j + i. So the window of 16 bits that makes a state slides inside each lane,
// and one funnel shift by a constant gives 32 states. A tile's 256 steps run through 8 pairs of
// columns (c, c + 8), 32 steps each: the unit of decoding.
//
// Neighbouring lanes are the same output and different inputs, as a dot product of 16-bit pairs
// wants them. mul1: the weight is the sum of the product's four bytes (0 to 1020); the affine part
// is the caller's. 3inst, mcg: the sum of the two halves as an integer, 1024 to one, rounded; both
// halves are multiples of 2^-13.
#pragma once

#include "backend/cpu/kernels.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// A decoder is one long run of instructions; the compiler would rather call its pieces.
#define TRELLIS_INLINE inline __attribute__((always_inline))

enum class Code : int { k3inst, kMcg, kMul1 };  // as exl3::Codebook

struct Product {
  Words low;
  Words high;
};

/// state * multiplier + addend, the low and high 16 bits of each.
template <Code kCode>
TRELLIS_INLINE Product multiply_state(Words state) {
  constexpr uint32_t kMultiplier =
      kCode == Code::k3inst ? 89226354u : (kCode == Code::kMcg ? 0xCBAC1FEDu : 0x83DCD12Du);
  const Words low_factor = fill_word(kMultiplier & 0xFFFF);
  Words low = mul_low(state, low_factor);
  Words high = add_words(mul_high(state, low_factor), mul_low(state, fill_word(kMultiplier >> 16)));
  if constexpr (kCode == Code::k3inst) {
    constexpr uint32_t kAddend = 64248484u;
    high = add_words(high, add_words(carry_out(low, kAddend & 0xFFFF), fill_word(kAddend >> 16)));
    low = add_words(low, fill_word(kAddend & 0xFFFF));
  }
  return {low, high};
}

template <Code kCode>
TRELLIS_INLINE Words integer_weight(Words state) {
  const Product x = multiply_state<kCode>(state);
  if constexpr (kCode == Code::kMul1) {
    return add_words(byte_pairs(x.low), byte_pairs(x.high));
  } else {
    return round_eighth(add_words(fixed_point_half(x.low), fixed_point_half(x.high)));
  }
}

template <Code kCode>
TRELLIS_INLINE void store_float_weight(float* out, Words state) {
  const Product x = multiply_state<kCode>(state);
  if constexpr (kCode == Code::kMul1) {
    store_affine(
        out, add_words(byte_pairs(x.low), byte_pairs(x.high)), 0.00676727294921875f, -10.3828125f
    );
  } else {
    store_sum_of_halves(out, x.low, x.high);
  }
}

// A decoding step reads 256 bytes per bit of K and takes some 60 ns: 16 KiB ahead covers a memory
// access, and goes on where the hardware's own prefetchers stop, at the jump back to a block's last
// words.
constexpr int kPrefetchWords = 8192;

/// Where step kStep of a column pair goes: vector [row][which column] of 16 x 2.
template <int kStep>
constexpr int panel_slot() {
  constexpr int lane = kStep >> 3;
  constexpr int j = kStep & 7;
  return (2 * lane + (j & 1) + 8 * ((j >> 1) & 1)) * 2 + (j >> 2);
}

template <int kBits, int kStep>
TRELLIS_INLINE Words state_of_step(const Words* window) {  // window[0] is the word before the first
  constexpr int kEnd = (kStep + 1) * kBits;
  constexpr int kWord = (kEnd - 1) / 16;
  constexpr int kCount = kEnd - 16 * kWord;
  if constexpr (kCount == 16) {
    return window[kWord + 1];
  } else {
    return shift_in<kCount>(window[kWord], window[kWord + 1]);
  }
}

/// Calls visit.template operator()<step>(half, state) for the 2 x 32 vectors of column pair
/// `column` of a block.
template <int kBits, typename Visit>
TRELLIS_INLINE void visit_states(const uint16_t* block, int column, const Visit& visit) {
  constexpr int kWords = 2 * kBits;  // of one tile in one column pair
  const auto half_of = [&](int c, int half) { return block + (2 * c + half) * kWords * 32; };
  for (int half = 0; half < 2; ++half) {
    const uint16_t* source = half_of(column, half);
    Words window[kWords + 1];
    window[0] = load_words(half_of((column + 7) & 7, half) + (kWords - 1) * 32);
    for (int i = 0; i < kWords; ++i) {
      window[i + 1] = load_words(source + i * 32);
      __builtin_prefetch(source + i * 32 + kPrefetchWords);
    }
    const auto step = [&]<int kStep>() {
      visit.template operator()<kStep>(half, state_of_step<kBits, kStep>(window));
    };
    const auto eight = [&]<int kFirst>() {
      step.template operator()<kFirst>();
      step.template operator()<kFirst + 1>();
      step.template operator()<kFirst + 2>();
      step.template operator()<kFirst + 3>();
      step.template operator()<kFirst + 4>();
      step.template operator()<kFirst + 5>();
      step.template operator()<kFirst + 6>();
      step.template operator()<kFirst + 7>();
    };
    eight.template operator()<0>();
    eight.template operator()<8>();
    eight.template operator()<16>();
    eight.template operator()<24>();
  }
}

/// panel: [2 halves][16 rows][2 columns][32 lanes] int16.
template <int kBits, Code kCode>
void decode_integers(const uint16_t* block, int column, int16_t* panel) {
  visit_states<kBits>(block, column, [panel]<int kStep>(int half, Words state) {
    store_words(panel + (half * 32 + panel_slot<kStep>()) * 32, integer_weight<kCode>(state));
  });
}

/// The same as exact weights in fp32.
template <int kBits, Code kCode>
void decode_floats(const uint16_t* block, int column, float* panel) {
  visit_states<kBits>(block, column, [panel]<int kStep>(int half, Words state) {
    store_float_weight<kCode>(panel + (half * 32 + panel_slot<kStep>()) * 32, state);
  });
}

using DecodeIntegers = void (*)(const uint16_t* block, int column, int16_t* panel);
using DecodeFloats = void (*)(const uint16_t* block, int column, float* panel);

#define TRELLIS_ALL_BITS(function, code)                                       \
  {function<1, code>, function<2, code>, function<3, code>, function<4, code>, \
   function<5, code>, function<6, code>, function<7, code>, function<8, code>}
#define TRELLIS_ALL_CODES(function)                                                  \
  {TRELLIS_ALL_BITS(function, Code::k3inst), TRELLIS_ALL_BITS(function, Code::kMcg), \
   TRELLIS_ALL_BITS(function, Code::kMul1)}
constexpr DecodeIntegers kDecodeIntegers[3][8] = TRELLIS_ALL_CODES(decode_integers);
constexpr DecodeFloats kDecodeFloats[3][8] = TRELLIS_ALL_CODES(decode_floats);

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
