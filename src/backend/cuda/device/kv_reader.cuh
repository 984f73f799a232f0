// How the kernels of attention read one head's rows of a page, whatever the cache's type. Quantized
// rows are read in the rotated domain: channels = H * numbers, so a product with a query is one
// with the rotated query, and a weighted sum of values is rotated back once at the end.
#pragma once

#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/kv_rows.h"
#include "exl3/kv_quant.h"

namespace trellis::cuda {

/// Rows of any type, told apart when it runs: quantized ones, and mixtures of keys and values.
class AnyReader {
 public:
  __device__ AnyReader(const KvRows& rows, int64_t first_row, int head_dim)
      : rows_(rows), first_row_(first_row), head_dim_(head_dim) {}

  template <int kCount>
  __device__ __forceinline__ void load(int row, int i, float (&piece)[kCount]) const {
    const int64_t place = first_row_ + row;
    if (!rows_.is_quantized()) {
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const int64_t index = place * head_dim_ + i + j;
        piece[j] = rows_.bits == 32 ? static_cast<const float*>(rows_.numbers)[index]
                                    : to_float(static_cast<const __half*>(rows_.numbers)[index]);
      }
      return;
    }
    const int64_t group = place * (head_dim_ / exl3::kKvGroup) + i / exl3::kKvGroup;
    const uint32_t* words = static_cast<const uint32_t*>(rows_.numbers) + group * rows_.bits;
    const float step = exl3::kv_step(rows_.scales[group], rows_.bits);
    const float offset = static_cast<float>(1 << (rows_.bits - 1)) - 0.5f;
    uint32_t codes[kCount];
    unpack(words, i % exl3::kKvGroup, codes);
#pragma unroll
    for (int j = 0; j < kCount; ++j) piece[j] = (static_cast<float>(codes[j]) - offset) * step;
  }

 private:
  /// Codes `first` and on of a group: exl3::kv_unpack() for kCount of them.
  template <int kCount>
  __device__ __forceinline__ void unpack(
      const uint32_t* words, int first, uint32_t (&codes)[kCount]
  ) const {
    static_assert(kCount <= 8, "fields of 4 bits and less lie in one word");
#pragma unroll
    for (uint32_t& code : codes) code = 0;
    for (int remaining = rows_.bits; remaining > 0;) {
      const int width = exl3::kv_plane_width(remaining);
      const uint32_t* plane = words + (rows_.bits - remaining) + first * width / 32;
      const int shift = first * width % 32;
      uint32_t word = plane[0];
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        if (j > 0 && j % 4 == 0 && width == 8) word = plane[j / 4];
        const uint32_t field = word >> ((shift + j * width) % 32);
        codes[j] = (codes[j] << width) | (field & ((1u << width) - 1));
      }
      remaining -= width;
    }
  }

  KvRows rows_;
  int64_t first_row_;
  int head_dim_;
};

}  // namespace trellis::cuda
