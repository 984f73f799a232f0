// How the kernels of attention read one head's rows of a page, whatever the cache's type. Quantized
// rows are read in the rotated domain: channels = H * numbers, so a product with a query is one
// with the rotated query, and a weighted sum of values is rotated back once at the end.
#pragma once

#include "backend/cuda/device/element.cuh"
#include "backend/cuda/device/reduce.cuh"
#include "backend/cuda/kernels/kv_rows.h"
#include "exl3/kv_quant.h"

namespace trellis::cuda {

/// fp16 or fp32 rows of head_dim numbers.
template <typename Element>
class DenseReader {
 public:
  /// Whether rows may be quantized, and therefore rotated.
  static constexpr bool kMayBeRotated = false;

  /// first_row: the row of the cache that is row 0 here.
  __device__ DenseReader(const KvRows& rows, int64_t first_row, int head_dim)
      : numbers_(static_cast<const Element*>(rows.numbers) + first_row * head_dim),
        head_dim_(head_dim) {}

  /// Numbers i to i + kCount - 1 of a row; i is a multiple of kCount, which divides head_dim.
  template <int kCount>
  __device__ __forceinline__ void load(int row, int i, float (&piece)[kCount]) const {
    struct alignas(sizeof(Element) * kCount) Piece {
      Element elements[kCount];
    };
    const Piece loaded =
        *reinterpret_cast<const Piece*>(numbers_ + static_cast<int64_t>(row) * head_dim_ + i);
#pragma unroll
    for (int j = 0; j < kCount; ++j) piece[j] = to_float(loaded.elements[j]);
  }

 private:
  const Element* numbers_;
  int head_dim_;
};

/// Rows of any type, told apart when it runs: quantized ones, and mixtures of keys and values.
class AnyReader {
 public:
  static constexpr bool kMayBeRotated = true;

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
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      piece[j] = (static_cast<float>(code(words, i % exl3::kKvGroup + j)) - offset) * step;
    }
  }

 private:
  /// Code `index` of a group: exl3::kv_unpack() for one of them.
  __device__ __forceinline__ uint32_t code(const uint32_t* words, int index) const {
    uint32_t result = 0;
    for (int remaining = rows_.bits; remaining > 0;) {
      const int width = exl3::kv_plane_width(remaining);
      const uint32_t* plane = words + (rows_.bits - remaining);
      const uint32_t field = plane[index * width / 32] >> (index * width % 32);
      result = (result << width) | (field & ((1u << width) - 1));
      remaining -= width;
    }
    return result;
  }

  KvRows rows_;
  int64_t first_row_;
  int head_dim_;
};

/// Transforms 32 numbers, one in each lane, without a scale.
__device__ __forceinline__ float hadamard_lanes(float value) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const float other = __shfl_xor_sync(kAllLanes, value, distance);
    value = (lane & distance) != 0 ? other - value : value + other;
  }
  return value;
}

}  // namespace trellis::cuda
