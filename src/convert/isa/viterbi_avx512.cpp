// The trellis search step with AVX-512: 16 edges per register, two registers in flight because each
// edge's running minimum is a chain. Per 16 states: subtract, multiply, add, compare, minimum and
// one masked move; the table of values (256 KiB) streams from the second-level cache.
#include "convert/viterbi_kernel.h"

#include <immintrin.h>

namespace trellis::avx512 {
namespace {

constexpr int kBlocks = 2;

/// The incoming costs of the 16 edges from `edge` on: each is shared by 2^Bits neighbours.
template <int Bits>
__m512 incoming_costs(const float* costs, __m512i lane_to_cost) {
  if constexpr (Bits >= 4) {
    return _mm512_set1_ps(*costs);
  } else {
    return _mm512_permutexvar_ps(lane_to_cost, _mm512_loadu_ps(costs));
  }
}

template <int Bits>
void advance_bits(const ViterbiStep& step) {
  constexpr int kNumChoices = 1 << Bits;
  constexpr int kNumEdges = 1 << (16 - Bits);
  constexpr int kStride = 1 << (16 - 2 * Bits);
  const __m512 weight = _mm512_set1_ps(step.weight);
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i lane_to_cost = _mm512_srli_epi32(lanes, Bits);

  for (int edge = 0; edge < kNumEdges; edge += kBlocks * kViterbiBlock) {
    const float* values = step.table + static_cast<int64_t>(edge) * kNumChoices;
    __m512 best[kBlocks];
    __m512i winner[kBlocks];
    for (int block = 0; block < kBlocks; ++block) {
      best[block] = _mm512_set1_ps(__builtin_inff());
      winner[block] = _mm512_setzero_si512();
    }
    __m512i choice = _mm512_setzero_si512();
    for (int k = 0; k < kNumChoices; ++k) {
      for (int block = 0; block < kBlocks; ++block) {
        const float* incoming =
            step.costs_before + k * kStride + ((edge + block * kViterbiBlock) >> Bits);
        const __m512 value = _mm512_loadu_ps(values + (block * kNumChoices + k) * kViterbiBlock);
        const __m512 distance = _mm512_sub_ps(value, weight);
        const __m512 cost = _mm512_add_ps(
            _mm512_mul_ps(distance, distance), incoming_costs<Bits>(incoming, lane_to_cost)
        );
        const __mmask16 better = _mm512_cmp_ps_mask(cost, best[block], _CMP_LT_OQ);
        winner[block] = _mm512_mask_mov_epi32(winner[block], better, choice);
        best[block] = _mm512_min_ps(cost, best[block]);
      }
      choice = _mm512_add_epi32(choice, one);
    }
    for (int block = 0; block < kBlocks; ++block) {
      const int first = edge + block * kViterbiBlock;
      _mm512_storeu_ps(step.costs_after + first, best[block]);
      _mm_storeu_si128(
          reinterpret_cast<__m128i*>(step.choices + first), _mm512_cvtepi32_epi8(winner[block])
      );
    }
  }
}

void advance(const ViterbiStep& step) {
  switch (step.bits) {
    case 1:
      return advance_bits<1>(step);
    case 2:
      return advance_bits<2>(step);
    case 3:
      return advance_bits<3>(step);
    case 4:
      return advance_bits<4>(step);
    case 5:
      return advance_bits<5>(step);
    case 6:
      return advance_bits<6>(step);
    case 7:
      return advance_bits<7>(step);
    default:
      return advance_bits<8>(step);
  }
}

}  // namespace

const ViterbiKernel kViterbiKernel = {"avx512", advance};

}  // namespace trellis::avx512
