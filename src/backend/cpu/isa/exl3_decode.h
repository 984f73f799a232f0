// Trellis words to weights, for one instruction set: included inside a translation unit that
// defined TRELLIS_ISA and included its vector header.
//
// A Stream holds one 32-bit stream word of each of 32 tiles: 8 along the outputs times 4 along the
// inputs, lane 4 * j + i. So the window of 16 bits that makes a state slides inside each lane, and
// shifts by a constant give 32 states. A tile's 256 steps run through 8 pairs of columns (c, c +
// 8), 32 steps each: the unit of decoding.
//
// Neighbouring lanes are the same output and different inputs, as a dot product of 16-bit pairs
// wants them. mul1: the weight is the sum of the product's four bytes (0 to 1020); the affine part
// is the caller's. 3inst, mcg: the sum of the two halves in units of 2^-13, of which both are
// multiples: at most 32752. The codebook then rounds it to a half; leaving that out changes no
// weight by more than 2^-10 and is without bias, because halves round ties to even.
#pragma once

#include "backend/cpu/kernels.h"

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// A decoder is one long run of instructions; the compiler would rather call its pieces.
#define TRELLIS_INLINE inline __attribute__((always_inline))

enum class Code : int { k3inst, kMcg, kMul1 };  // as exl3::Codebook

constexpr uint32_t multiplier_of(Code code) {
  return code == Code::k3inst ? 89226354u : (code == Code::kMcg ? 0xCBAC1FEDu : 0x83DCD12Du);
}

struct Product {
  Words low;
  Words high;
};

/// state * multiplier + 3inst's addend, the low and high 16 bits of each.
template <Code kCode>
TRELLIS_INLINE Product multiply_state(Words state) {
  constexpr uint32_t kMultiplier = multiplier_of(kCode);
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

/// The state that ends after kEnd bits of `word`, as an integer weight.
template <Code kCode, int kEnd>
TRELLIS_INLINE Words integer_weight(const Stream& before, const Stream& word) {
  if constexpr (kCode == Code::kMul1) {
    return window_byte_sums<kEnd>(before, word, multiplier_of(kCode));
  } else {
    const Product x = multiply_state<kCode>(window<kEnd>(before, word));
    return add_words(fixed_point_half(x.low), fixed_point_half(x.high));
  }
}

template <Code kCode, int kEnd>
TRELLIS_INLINE void store_float_weight(float* out, const Stream& before, const Stream& word) {
  if constexpr (kCode == Code::kMul1) {
    const Words sums = window_byte_sums<kEnd>(before, word, multiplier_of(kCode));
    store_affine(out, sums, 0.00676727294921875f, -10.3828125f);
  } else {
    const Product x = multiply_state<kCode>(window<kEnd>(before, word));
    store_sum_of_halves(out, x.low, x.high);
  }
}

// A column pair is 256 bytes per bit of K and takes some 90 ns. 32 KiB ahead covers a memory access
// many times over, and goes on where the hardware's own prefetchers stop, at the jump to a block's
// last words. They are asked for into L2: L1 is full of inputs and of the words in use, and lines
// that wait there are lost before their turn (12 % of the speed at 6 bits on Zen 4).
constexpr int kPrefetchWords = 8192;
TRELLIS_INLINE void prefetch_line(const uint32_t* words) {
  __builtin_prefetch(words, 0, 2);
}

/// The rows of a tile in the order in which the steps of one column visit them: 0, 1, 8, 9, 2, 3,
/// 10, 11 and so on. A panel and the inputs that meet it are both kept in this order.
constexpr int visit_of_row(int row) {
  return 4 * ((row & 7) >> 1) + 2 * (row >> 3) + (row & 1);
}
constexpr int row_of_visit(int visit) {
  return 2 * (visit >> 2) + 8 * (visit >> 1 & 1) + (visit & 1);
}
/// Which row's visit a step is, and which column of the pair it belongs to.
constexpr int visit_of_step(int step) {
  return 4 * (step >> 3) + (step & 3);
}
constexpr int column_of_step(int step) {
  return (step >> 2) & 1;
}
/// Where a step goes in a panel: vector [visit][which column] of 16 x 2.
constexpr int panel_slot(int step) {
  return 2 * visit_of_step(step) + column_of_step(step);
}

/// Calls visit.template operator()<step, end>(half, before, word) for the 2 x 32 steps of column
/// pair `column` of a block: a step's state ends after `end` bits of `word`.
template <int kBits, typename Visit>
TRELLIS_INLINE void visit_steps(const uint32_t* block, int column, const Visit& visit) {
  constexpr int kWords = kBits;  // of one tile in one column pair
  const auto half_of = [&](int c, int half) { return block + (2 * c + half) * kWords * 32; };
  for (int half = 0; half < 2; ++half) {
    const uint32_t* source = half_of(column, half);
    Stream words[kWords + 1];  // words[0] is the one before the first
    words[0] = load_stream(half_of((column + 7) & 7, half) + (kWords - 1) * 32);
    for (int i = 0; i < kWords; ++i) {
      words[i + 1] = load_stream(source + i * 32);
      prefetch_line(source + i * 32 + kPrefetchWords);
      prefetch_line(source + i * 32 + 16 + kPrefetchWords);
    }
    const auto step = [&]<int kStep>() {
      constexpr int kBitsBefore = (kStep + 1) * kBits - 1;
      constexpr int kWord = kBitsBefore / 32;
      visit.template operator()<kStep, kBitsBefore % 32 + 1>(half, words[kWord], words[kWord + 1]);
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

/// panel: [2 halves][16 visits][2 columns][32 lanes] int16.
template <int kBits, Code kCode>
void decode_integers(const uint32_t* block, int column, int16_t* panel) {
  const auto store =
      [panel]<int kStep, int kEnd>(int half, const Stream& before, const Stream& word) {
        int16_t* place = panel + (half * 32 + panel_slot(kStep)) * 32;
        store_words(place, integer_weight<kCode, kEnd>(before, word));
      };
  visit_steps<kBits>(block, column, store);
}

/// The same as exact weights in fp32.
template <int kBits, Code kCode>
void decode_floats(const uint32_t* block, int column, float* panel) {
  const auto store =
      [panel]<int kStep, int kEnd>(int half, const Stream& before, const Stream& word) {
        float* place = panel + (half * 32 + panel_slot(kStep)) * 32;
        store_float_weight<kCode, kEnd>(place, before, word);
      };
  visit_steps<kBits>(block, column, store);
}

using DecodeIntegers = void (*)(const uint32_t* block, int column, int16_t* panel);
using DecodeFloats = void (*)(const uint32_t* block, int column, float* panel);

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
