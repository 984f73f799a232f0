// y = svh * H(Wt^T H(suh * x)) + bias over blocks of 128 x 128 weights, for one instruction set.
//
// Integer path: an input block becomes 16-bit integers with one scale; a column pair of the weights
// is decoded once into a panel in the L1 cache and multiplied with every row of the chunk. Sums of
// some products are exact in 32 bits (see kCodeScales), then go to fp32 group by group, so a row's
// bits depend neither on the other rows nor on the instruction set. Of two inputs x and weights w
// the product may be taken as (x0 + w1) (x1 + w0) - x0 x1 - w0 w1 (Winograd 1968), where the last
// two terms are shared by all outputs and by all rows: half the multiplications for two additions,
// and, as all sums are exact, the same bits. Float path: the same with exact fp32 weights and
// unrounded inputs, in one fixed order of summation.
#pragma once

#include "backend/cpu/isa/exl3_decode.h"

#include <utility>

namespace trellis::cpu::TRELLIS_ISA {
namespace {

// A block's sum is taken in groups of products that cannot overflow 32 bits; each of the 16 lanes
// of a sum adds 64 / groups of them. mul1: |byte sum - 510.27| <= 510.3 and 64 * 511 * 31747 <
// 2^31; an input and a byte sum of up to 1020 add up to no more than 32767. 3inst, mcg: |weight| <=
// 32752 and 16 * 32752 * 4095 < 2^31.
constexpr int sum_groups(Code code) {
  return code == Code::kMul1 ? 1 : 4;
}
struct CodeScale {
  float activation_limit;
  float weight_unit;
  double center;  // the integer weight that stands for zero
};
// 0.0018157958984375 / 0.00676727294921875 above 510: spec of mul1, the affine form of its rounded
// product.
constexpr CodeScale kCodeScales[3] = {
    {4095.0f, 1.0f / 8192, 0.0},
    {4095.0f, 1.0f / 8192, 0.0},
    {31747.0f, 0.00676727294921875f, 510.0 + 0.0018157958984375 / 0.00676727294921875}
};

/// 128 numbers, times the orthonormal Hadamard matrix, in place.
inline void hadamard128(float* x) {
  constexpr int kVectors = kBlock / kLanes;
  Floats v[kVectors];
  const Floats scale = fill(0.088388347648318447f);
  for (int i = 0; i < kVectors; ++i) v[i] = lane_butterflies(load(x + i * kLanes));
  for (int stride = 1; stride < kVectors; stride *= 2) {
    for (int i = 0; i < kVectors; ++i) {
      if ((i & stride) != 0) continue;
      const Floats a = v[i];
      const Floats b = v[i + stride];
      v[i] = add(a, b);
      v[i + stride] = sub(a, b);
    }
  }
  for (int i = 0; i < kVectors; ++i) store(x + i * kLanes, mul(v[i], scale));
}

/// Input 64 s + 16 i + r goes to place 64 s + 4 visit_of_row(r) + i.
inline void to_panel_order(const float* x, float* out) {
  for (int half = 0; half < 2; ++half) {
    for (int row = 0; row < 16; ++row) {
      for (int tile = 0; tile < 4; ++tile)
        out[64 * half + 4 * visit_of_row(row) + tile] = x[64 * half + 16 * tile + row];
    }
  }
}

using WordVector = int16_t __attribute__((vector_size(64)));

/// out: 32 places of a half, from kFirst on, out of its 64 words.
template <int kFirst, size_t... kPlaces>
TRELLIS_INLINE void
order_words(const WordVector (&half)[2], WordVector& out, std::index_sequence<kPlaces...>) {
  constexpr auto source = [](int place) { return place % 4 * 16 + row_of_visit(place / 4); };
  out = __builtin_shufflevector(half[0], half[1], source(kFirst + static_cast<int>(kPlaces))...);
}
/// The same with words, a vector at a time.
TRELLIS_INLINE void to_panel_order(const int16_t* x, int16_t* out) {
  constexpr auto kPlaces = std::make_index_sequence<32>();
  for (int half = 0; half < 2; ++half, x += 64, out += 64) {
    WordVector natural[2];
    WordVector ordered[2];
    __builtin_memcpy(natural, x, sizeof(natural));
    order_words<0>(natural, ordered[0], kPlaces);
    order_words<32>(natural, ordered[1], kPlaces);
    __builtin_memcpy(out, ordered, sizeof(ordered));
  }
}

/// Adds up the products of the two inputs of each pair, which are the same tile's at visits 2 n and
/// 2 n + 1: of tiles 0, 1 and of tiles 2, 3. x: a block in panel order.
template <size_t... kPlaces>
TRELLIS_INLINE void
add_pair_products(const int16_t* x, uint32_t (&totals)[2], std::index_sequence<kPlaces...>) {
  Sums sums = zero_sums();
  for (int half = 0; half < 2; ++half) {
    WordVector words[2];
    __builtin_memcpy(words, x + half * 64, sizeof(words));
    constexpr auto source = [](int place) { return place / 4 * 8 + place % 4; };
    const WordVector even = __builtin_shufflevector(words[0], words[1], source(kPlaces)...);
    const WordVector odd = __builtin_shufflevector(words[0], words[1], source(kPlaces) + 4 ...);
    sums = dot(sums, load_words(&even), load_words(&odd));
  }
  uint32_t lanes[16];
  static_assert(sizeof(lanes) == sizeof(sums));
  __builtin_memcpy(lanes, &sums, sizeof(lanes));
  for (int lane = 0; lane < 16; ++lane) totals[lane % 2] += lanes[lane];
}

inline int32_t total_sum(const Sums& sums) {
  int32_t lanes[16];
  static_assert(sizeof(lanes) == sizeof(sums));
  __builtin_memcpy(lanes, &sums, sizeof(lanes));
  int32_t total = 0;
  for (int32_t lane : lanes) total += lane;
  return total;
}

inline void quantize_block(
    const float* x, const CodeScale& code, int16_t* integers, BlockScale* result
) {
  // poison is 0, or NaN when any input is not finite: it turns the row's outputs into NaN instead
  // of noise.
  Floats top = fill(0.0f);
  Floats poison = fill(0.0f);
  for (int i = 0; i < kBlock; i += kLanes) {
    top = larger(top, absolute(load(x + i)));
    poison = fma(load(x + i), fill(0.0f), poison);
  }
  const float maximum = largest(top);
  const bool usable = maximum > 1e-30f && maximum < 1e30f;
  const float inverse = usable ? code.activation_limit / maximum : 0.0f;
  result->scale =
      (usable ? maximum / code.activation_limit * code.weight_unit : 0.0f) + sum(poison);
  alignas(64) int16_t natural[kBlock];
  for (int i = 0; i < kBlock; i += kLanes)
    store_int16(natural + i, mul(load(x + i), fill(inverse)));
  to_panel_order(natural, integers);
  for (int lane = 0; lane < 2; ++lane) {
    // Of tiles 0, 1 or tiles 2, 3 of each half: the two lanes of an output.
    const Words ones = fill_word(1);
    const Sums sums = dot(zero_sums(), load_words(natural + 32 * lane), ones);
    const int32_t total = total_sum(dot(sums, load_words(natural + 64 + 32 * lane), ones));
    const double offset = -code.center * total;
    result->correction[lane] = static_cast<int32_t>(offset < 0 ? offset - 0.5 : offset + 0.5);
  }
  if constexpr (kMultipliesPairs) {
    uint32_t products[2] = {0, 0};
    add_pair_products(integers, products, std::make_index_sequence<32>());
    for (int lane = 0; lane < 2; ++lane) {
      const auto correction = static_cast<uint32_t>(result->correction[lane]);
      result->paired_correction[lane] = static_cast<int32_t>(correction - products[lane]);
    }
  }
}

void exl3_prepare(
    const Exl3Matrix& matrix, const float* x, int64_t row, int64_t first_block, int64_t last_block,
    const Exl3Input& input
) {
  alignas(64) float block[kBlock];
  for (int64_t b = first_block; b < last_block; ++b) {
    const int64_t begin = b * kBlock;
    const int64_t left = matrix.in_features - begin;
    for (int i = 0; i < kBlock; i += kLanes) {
      const int64_t n = left - i;
      const Floats part =
          n >= kLanes ? load(x + begin + i)
                      : (n > 0 ? load_part(x + begin + i, static_cast<int>(n)) : fill(0.0f));
      store(block + i, mul(part, load(matrix.suh + begin + i)));
    }
    hadamard128(block);
    const int64_t place = b * input.rows + row;
    if (input.integers != nullptr) {
      quantize_block(
          block, kCodeScales[matrix.codebook], input.integers + place * kBlock, input.scales + place
      );
    } else {
      to_panel_order(block, input.floats + place * kBlock);
    }
  }
}

/// sums: of row 0 and the first column of the pair; the second column lies 8 * 16 floats on, the
/// next row 256.
template <int kRows, int kGroups>
inline void multiply_integers(
    const int16_t* panel, const int16_t* x, const BlockScale* scales, float* sums
) {
  // With few rows, several sums per row hide the latency of the dot product; integers do not mind
  // the order.
  constexpr int kChains = kRows * 2 < kSumsInFlight ? kSumsInFlight / (kRows * 2) : 1;
  constexpr int kGroupVectors = 32 / kGroups;
  for (int begin = 0; begin < 32; begin += kGroupVectors) {
    Sums total[kRows][2][kChains];
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < 2; ++c) {
        total[r][c][0] = kGroups == 1 ? repeat2_sums(scales[r].correction) : zero_sums();
        for (int chain = 1; chain < kChains; ++chain) total[r][c][chain] = zero_sums();
      }
    }
    for (int k = begin; k < begin + kGroupVectors; k += kChains) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) {
        const Words first = load_words(panel + (k + chain) * 64);
        const Words second = load_words(panel + (k + chain) * 64 + 32);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const Words a = repeat4_words(x + r * kBlock + (k + chain) * 4);
          total[r][0][chain] = dot(total[r][0][chain], first, a);
          total[r][1][chain] = dot(total[r][1][chain], second, a);
        }
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < 2; ++c) {
        Sums all = total[r][c][0];
        for (int chain = 1; chain < kChains; ++chain) all = add_sums(all, total[r][c][chain]);
        add_scaled(sums + r * 256 + c * 8 * 16, all, scales[r].scale);
      }
    }
  }
}

/// Of the vectors 2 n and 2 n + 1 of a panel, for each column: the products of their weights, added
/// up.
inline void add_weight_products(const int16_t* panel, Sums (&totals)[2]) {
  for (int c = 0; c < 2; ++c) {
    constexpr int kChains = 4;
    Sums chains[kChains];
    for (Sums& chain : chains) chain = zero_sums();
    for (int k = 0; k < 32; k += 2 * kChains) {
      for (int i = 0; i < kChains; ++i) {
        const int16_t* pair = panel + (k + 2 * i) * 64 + c * 32;
        chains[i] = dot(chains[i], load_words(pair), load_words(pair + 64));
      }
    }
    totals[c] = add_sums(add_sums(chains[0], chains[1]), add_sums(chains[2], chains[3]));
  }
}

/// As multiply_integers of one group, by pairs of inputs. Sums wrap around on the way to one that
/// fits.
template <int kRows>
inline void multiply_pairs(
    const int16_t* panel, const Sums (&weight_products)[2], const int16_t* x,
    const BlockScale* scales, float* sums
) {
  Sums total[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < 2; ++c)
      total[r][c] = sub_sums(repeat2_sums(scales[r].paired_correction), weight_products[c]);
  }
  for (int k = 0; k < 32; k += 2) {
    Words weights[2][2];
    for (int i = 0; i < 2; ++i) {
      for (int c = 0; c < 2; ++c) weights[i][c] = load_words(panel + (k + i) * 64 + c * 32);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Words first = repeat4_words(x + r * kBlock + k * 4);
      const Words second = repeat4_words(x + r * kBlock + k * 4 + 4);
      for (int c = 0; c < 2; ++c) {
        total[r][c] =
            dot(total[r][c], add_words(first, weights[1][c]), add_words(second, weights[0][c]));
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < 2; ++c)
      add_scaled(sums + r * 256 + c * 8 * 16, total[r][c], scales[r].scale);
  }
}

template <int kGroups, bool kPairs>
void multiply_panel(
    const int16_t* panel, int64_t rows, const int16_t* x, const BlockScale* scales, float* sums
) {
  int64_t r = 0;
  if constexpr (kGroups == 1 && kPairs) {
    if (rows >= kIntegerRows) {
      Sums weight_products[2];
      add_weight_products(panel, weight_products);
      for (; r + kIntegerRows <= rows; r += kIntegerRows) {
        multiply_pairs<kIntegerRows>(
            panel, weight_products, x + r * kBlock, scales + r, sums + r * 256
        );
      }
    }
  }
  const auto rows_at_once = [&]<int kRows>() {
    for (; r + kRows <= rows; r += kRows) {
      multiply_integers<kRows, kGroups>(panel, x + r * kBlock, scales + r, sums + r * 256);
    }
  };
  if constexpr (kIntegerRows >= 8) rows_at_once.template operator()<8>();
  if constexpr (kIntegerRows >= 4) rows_at_once.template operator()<4>();
  rows_at_once.template operator()<2>();
  rows_at_once.template operator()<1>();
}

/// A block's products with one row, each vector of weights used as soon as it is decoded. sums: [16
/// columns][16 lanes].
template <int kBits, Code kCode>
void decode_and_multiply(
    const uint32_t* block, const int16_t* x, const BlockScale& scale, float* sums
) {
  constexpr int kGroups = sum_groups(kCode);
  for (int column = 0; column < 8; ++column, sums += 16) {
    Sums total[2][2];
    for (int c = 0; c < 2; ++c) {
      total[c][0] = kGroups == 1 ? repeat2_sums(scale.correction) : zero_sums();
      total[c][1] = zero_sums();
    }
    const auto add_up = [&] {
      for (int c = 0; c < 2; ++c) {
        add_scaled(sums + c * 8 * 16, add_sums(total[c][0], total[c][1]), scale.scale);
        total[c][0] = zero_sums();
        total[c][1] = zero_sums();
      }
    };
    const auto add_step =
        [&]<int kStep, int kEnd>(int half, const Stream& before, const Stream& word) {
          const Words a = repeat4_words(x + half * 64 + visit_of_step(kStep) * 4);
          Sums& sum = total[column_of_step(kStep)][kStep & 1];
          sum = dot(sum, integer_weight<kCode, kEnd>(before, word), a);
          if constexpr (kGroups == 4 && kStep % 16 == 15) add_up();
        };
    visit_steps<kBits>(block, column, add_step);
    if constexpr (kGroups == 1) add_up();
  }
}
using DecodeAndMultiply =
    void (*)(const uint32_t* block, const int16_t* x, const BlockScale& scale, float* sums);
constexpr DecodeAndMultiply kDecodeAndMultiply[3][8] = TRELLIS_ALL_CODES(decode_and_multiply);

/// As above with floats: 32 lanes per column, the second column 8 * 32 floats on, the next row 512.
template <int kRows>
inline void multiply_floats(const float* panel, const float* x, float* sums) {
  constexpr int kParts = 32 / kLanes;
  for (int c = 0; c < 2; ++c) {
    Floats total[kRows][kParts];
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kParts; ++p) total[r][p] = fill(0.0f);
    }
    for (int k = 0; k < 32; ++k) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Floats a = repeat4(x + r * kBlock + k * 4);
#pragma GCC unroll 8
        for (int p = 0; p < kParts; ++p) {
          total[r][p] = fma(load(panel + k * 64 + c * 32 + p * kLanes), a, total[r][p]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int p = 0; p < kParts; ++p) {
        float* place = sums + r * 512 + c * 8 * 32 + p * kLanes;
        store(place, add(load(place), total[r][p]));
      }
    }
  }
}

/// Adds the lanes of each output, undoes the rotation, scales and stores. sums: [16 columns][8
/// tiles][kLanesPerOutput].
template <int kLanesPerOutput>
inline void finish_row(const Exl3Matrix& matrix, int64_t out_block, const float* sums, float* y) {
  alignas(64) float block[kBlock];
  for (int column = 0; column < 16; ++column) {
    for (int tile = 0; tile < 8; ++tile) {
      const float* lanes = sums + (column * 8 + tile) * kLanesPerOutput;
      float total = lanes[0] + lanes[1];
      if constexpr (kLanesPerOutput == 4) total += lanes[2] + lanes[3];
      block[16 * tile + column] = total;
    }
  }
  hadamard128(block);
  const int64_t begin = out_block * kBlock;
  const int64_t left = matrix.out_features - begin;
  const int64_t n = left < kBlock ? left : kBlock;
  for (int64_t i = 0; i < n; i += kLanes) {
    Floats v = mul(load(block + i), load(matrix.svh + begin + i));
    const int lanes = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
    if (matrix.bias != nullptr) v = add(v, load_part(matrix.bias + begin + i, lanes));
    store_part(y + begin + i, v, lanes);
  }
}

/// kPairs: many rows are multiplied by pairs of inputs, where the codebook's weights allow it.
template <bool kPairs>
void exl3_multiply(
    const Exl3Matrix& matrix, int64_t out_block, const Exl3Input& input, int64_t begin, int64_t end,
    float* scratch, float* y, int64_t y_stride
) {
  const int64_t rows = end - begin;
  const int64_t block_words = 512 * matrix.bits;
  const uint32_t* words = matrix.words + out_block * matrix.in_blocks * block_words;
  const bool integers = input.integers != nullptr;
  const int64_t row_sums = integers ? 256 : 512;
  float* sums = scratch + 2 * kPanelWeights;
  for (int64_t i = 0; i < rows * row_sums; i += kLanes) store(sums + i, fill(0.0f));

  for (int64_t b = 0; b < matrix.in_blocks; ++b, words += block_words) {
    const int64_t place = b * input.rows + begin;
    if (integers && rows == 1) {
      kDecodeAndMultiply[matrix.codebook][matrix.bits - 1](
          words, input.integers + place * kBlock, input.scales[place], sums
      );
      continue;
    }
    for (int column = 0; column < 8; ++column) {
      if (integers) {
        auto* panel = reinterpret_cast<int16_t*>(scratch);
        kDecodeIntegers[matrix.codebook][matrix.bits - 1](words, column, panel);
        const bool one_group = sum_groups(static_cast<Code>(matrix.codebook)) == 1;
        (one_group ? multiply_panel<1, kPairs>
                   : multiply_panel<4, kPairs>)(panel, rows, input.integers + place * kBlock,
                                                input.scales + place, sums + column * 16);
      } else {
        kDecodeFloats[matrix.codebook][matrix.bits - 1](words, column, scratch);
        const float* x = input.floats + place * kBlock;
        float* out = sums + column * 32;
        int64_t r = 0;
        const auto rows_at_once = [&]<int kRows>() {
          for (; r + kRows <= rows; r += kRows)
            multiply_floats<kRows>(scratch, x + r * kBlock, out + r * 512);
        };
        if constexpr (kFloatRows >= 4) rows_at_once.template operator()<4>();
        rows_at_once.template operator()<1>();
      }
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    float* row = y + (begin + r) * y_stride;
    if (integers) {
      finish_row<2>(matrix, out_block, sums + r * 256, row);
    } else {
      finish_row<4>(matrix, out_block, sums + r * 512, row);
    }
  }
}

}  // namespace
}  // namespace trellis::cpu::TRELLIS_ISA
