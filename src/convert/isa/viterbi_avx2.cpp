// The trellis search step with AVX2: a block of 16 edges is two registers of 8.
#include "convert/viterbi_kernel.h"

#include <immintrin.h>

namespace trellis::avx2 {
namespace {

constexpr int kLanes = 8;
constexpr int kParts = kViterbiBlock / kLanes;

/// The incoming costs of 8 neighbouring edges: each is shared by 2^Bits of them.
template <int Bits>
__m256 incoming_costs(const float* costs, __m256i lane_to_cost) {
  if constexpr (Bits >= 3) {
    return _mm256_set1_ps(*costs);
  } else {
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(costs), lane_to_cost);
  }
}

template <int Bits>
void advance_bits(const ViterbiStep& step) {
  constexpr int kNumChoices = 1 << Bits;
  constexpr int kNumEdges = 1 << (16 - Bits);
  constexpr int kStride = 1 << (16 - 2 * Bits);
  const __m256 weight = _mm256_set1_ps(step.weight);
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i lane_to_cost = _mm256_srli_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), Bits);

  for (int edge = 0; edge < kNumEdges; edge += kViterbiBlock) {
    const float* values = step.table + static_cast<int64_t>(edge) * kNumChoices;
    __m256 best[kParts];
    __m256i winner[kParts];
    for (int part = 0; part < kParts; ++part) {
      best[part] = _mm256_set1_ps(__builtin_inff());
      winner[part] = _mm256_setzero_si256();
    }
    __m256i choice = _mm256_setzero_si256();
    for (int k = 0; k < kNumChoices; ++k) {
      for (int part = 0; part < kParts; ++part) {
        const float* incoming = step.costs_before + k * kStride + ((edge + part * kLanes) >> Bits);
        const __m256 value = _mm256_loadu_ps(values + k * kViterbiBlock + part * kLanes);
        const __m256 distance = _mm256_sub_ps(value, weight);
        const __m256 cost = _mm256_add_ps(
            _mm256_mul_ps(distance, distance), incoming_costs<Bits>(incoming, lane_to_cost)
        );
        const __m256i better = _mm256_castps_si256(_mm256_cmp_ps(cost, best[part], _CMP_LT_OQ));
        winner[part] = _mm256_blendv_epi8(winner[part], choice, better);
        best[part] = _mm256_min_ps(cost, best[part]);
      }
      choice = _mm256_add_epi32(choice, one);
    }
    for (int part = 0; part < kParts; ++part) {
      _mm256_storeu_ps(step.costs_after + edge + part * kLanes, best[part]);
    }
    // Packing works within 128-bit halves: undo their interleaving between the two packs.
    const __m256i words =
        _mm256_permute4x64_epi64(_mm256_packus_epi32(winner[0], winner[1]), 0b11'01'10'00);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(step.choices + edge), bytes);
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

const ViterbiKernel kViterbiKernel = {"avx2", advance};

}  // namespace trellis::avx2
